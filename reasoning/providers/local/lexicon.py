"""Closed lists of English words that the rules need; nothing here knows of any one conversation."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


IRREGULAR_PAST = word_set(
    """
    was were had did went got made said took came saw knew thought told became left felt put brought began kept
    held wrote stood heard let meant set met ran paid sat spoke lay led read grew lost fell sent built understood
    drew broke spent cut rose drove bought wore chose taught caught sold fought flew threw ate drank sang swam slept
    won gave found forgot forgave hid hit hurt quit bet spread shut split beat cast cost fed fled hung knelt lent lit
    rode rang shook shone shot shrank sank slid spun stole struck swept swore tore woke bent bit blew dealt dug dove
    dreamt learnt burnt spelt sought stuck stung sprang strove wept wound withdrew overcame undertook underwent
    mistook outgrew rebuilt redid rewrote retook undid upset used ended misread overslept outdid froze bore bled
    bound bred clung crept dwelt flung forbade ground leapt overheard oversaw sewed sped spat swung trod unwound
    """
)
"""Past forms that do not end in -ed (and a few that do but could be misread)."""

BASE_IN_ED = word_set("need feed speed breed bleed proceed succeed exceed embed shed wed heed weed seed shred sled")
"""Base forms that look like a past form."""

SAME_IN_PAST = word_set("put let cut set hit hurt cost read quit bet spread shut split beat cast fit upset")

MODALS = word_set(
    """
    can could will would shall should might may must can't cannot couldn't won't wouldn't shan't shouldn't mightn't
    mustn't didn't hadn't wasn't weren't needn't oughtn't ought
    """
)

ADVERBS = word_set(
    """
    really also just always never usually still often currently mostly now already recently totally definitely
    actually probably finally sometimes even only not kinda too mainly generally typically rarely hardly barely
    simply honestly truly deeply absolutely completely basically literally certainly clearly obviously personally
    gladly soon then ever once almost nearly quite rather both lately instead normally occasionally seldom
    no longer eventually initially originally previously today yesterday tomorrow so much 100 % sort kind of myself all
    """
)
"""Words that may stand between a subject and its verb."""

NOT_ADVERB_IN_LY = word_set(
    "apply rely reply supply fly multiply comply imply bully rally tally ally family july italy only"
)

COORDINATE_VERBS = word_set(
    """
    am have do love like hate enjoy prefer want need use live work go make take get think know feel hope try play
    run write read sing cook bake teach study speak eat drink sleep swim hike volunteer travel visit own run manage
    lead build code design develop ship sell buy keep spend start help care believe dislike avoid wish plan miss
    train learn watch listen collect paint draw dance ride drive walk meet give grow raise adore handle send pay
    remember realize attend mentor coach support follow say see find add cycle commute ski surf
    climb knit smoke code blog email mail post check
    bring let put set come look don't haven't
    """
)

SUBJECT_BREAKERS = word_set(
    "who which that because when if where while since although though after before until unless whether what how why"
)

SUBJECT_STARTERS = word_set(
    "he she it they we you there this that these those the a an his her its their my our your some many people who"
)

PREPOSITIONS = word_set(
    """
    of in on at to for with from by about as into like through after over between out against during without before
    under around among than off near across behind along upon toward towards until since via per
    """
)

STOP = word_set(
    """
    a an the and or but nor so yet if then else of in on at to for with from by about as into like through after over
    between out against during without before under around among than off near across behind along upon toward towards
    until since via per is am are was were be been being have has had having do does did doing done will would shall
    should can could may might must i me my mine myself we us our ours ourselves you your yours yourself yourselves he
    him his himself she her hers herself it its itself they them their theirs themselves this that these those there
    here who whom whose which what when where why how not no nor too very just also really still even only ever never
    always now then once again more most much many some any all both each every few other another such own same up
    down because while though although it's that's there's i'm i've i'd i'll don't doesn't didn't isn't aren't wasn't
    weren't can't couldn't won't wouldn't shouldn't haven't hasn't hadn't one ones yes yeah yep no nope ok okay oh well
    s t re ve ll d m
    """
)

VAGUE = word_set(
    """
    great good nice cool awesome amazing wonderful fantastic beautiful lovely inspiring inspired
    inspiration fun happy glad proud excited exciting sure important special incredible powerful brave
    strong strength courage kind sweet thankful grateful gratitude support supportive supporting love
    loving loved life live lives way ways thing things stuff time times day days moment moments people
    person someone everyone everybody anyone others world journey path feel feeling feelings feels felt
    make makes made making keep keeps kept going go goes get gets got getting know knows knew think
    thinks thought see sees saw seen look looks looking looked say says said tell told mean means meant
    need want wants lot lots bit kinda super totally definitely absolutely actually truly right true real
    better best hard tough help helps helped helping positive positivity impact difference change changes
    matter matters joy hope hopes together always back forward come came take takes took give gives gave
    giving let share shared sharing experience experiences story stories heart mind peace connection
    connected connect growth grow build bring brings brought remind reminds reminded reminder memory
    memories mems beauty appreciate appreciated blessed blessing challenge challenges challenging
    rewarding meaningful purpose passion passionate dream dreams understanding acceptance hearing enjoy
    enjoyed nothing something anything everything agree guess worth crucial key vital pretty enlightening
    emotional provoking happening happened happen chatted chat chatting talked spoke last lately lucky
    therapeutic soothing uplifting eye opening insane crazy wild bad sad scary stressful tiring
    unforgettable cherish treasure bond bonding bonds encouraging encouragement motivated motivate
    motivates motivating motivation calm calming peaceful relaxing refreshing part kindness community
    happiness
    """
)
"""Words that carry feeling but say little that could be looked up later."""

PRAISE = word_set(
    """
    great good nice cool awesome amazing wonderful fantastic beautiful lovely inspiring incredible brave
    strong kind sweet thoughtful caring right welcome best lucky rockstar star super fun gorgeous
    stunning impressive adorable cute neat rad perfect sick dope brilliant superb excellent terrific
    marvelous outstanding
    """
)

FAMILY = {
    "wife": "wife", "husband": "husband", "partner": "partner", "spouse": "spouse", "fiance": "fiancé",
    "fiancé": "fiancé", "fiancée": "fiancée", "fiancee": "fiancée", "girlfriend": "girlfriend",
    "boyfriend": "boyfriend",
    "son": "son", "sons": "sons", "daughter": "daughter", "daughters": "daughters", "kid": "kid", "kids": "kids",
    "child": "child", "children": "children", "baby": "baby", "mom": "mother", "mum": "mother", "mother": "mother",
    "dad": "father", "father": "father", "parents": "parents", "brother": "brother", "brothers": "brothers",
    "sister": "sister", "sisters": "sisters", "grandma": "grandmother", "grandmother": "grandmother",
    "grandpa": "grandfather", "grandfather": "grandfather", "grandparents": "grandparents", "aunt": "aunt",
    "uncle": "uncle", "cousin": "cousin", "nephew": "nephew", "niece": "niece", "twins": "twins",
}  # fmt: skip

COMPANIONS = word_set(
    """
    family fam kids children husband wife partner girlfriend boyfriend son daughter mom mum mother dad father parents
    brother sister friend friends buddy team colleagues coworkers group band club class roommate fiance fiancé
    teammates crew siblings cousins grandparents
    """
)

PETS = word_set(
    "dog dogs cat cats kitty kitties doggo puppy puppies kitten kittens pup pups hamster rabbit "
    "rabbits parrot turtle turtles horse horses "
    "fish bird birds guinea pig lizard snake ferret"
)

JOBS = word_set(
    """
    nurse doctor teacher engineer developer programmer designer lawyer accountant consultant freelancer artist
    musician writer author journalist photographer chef cook baker manager director founder owner student professor
    researcher scientist analyst architect electrician plumber carpenter mechanic driver pilot dentist pharmacist
    therapist counselor counsellor psychologist veterinarian vet farmer gardener barista waiter waitress bartender
    salesperson realtor banker economist translator editor producer actor actress dancer coach trainer firefighter
    paramedic officer soldier veteran librarian receptionist secretary assistant administrator technician marketer
    recruiter entrepreneur contractor bookkeeper surgeon physicist chemist biologist mathematician
    statistician streamer gamer singer bassist drummer guitarist pianist composer sculptor painter filmmaker
    screenwriter novelist poet blogger instructor tutor principal janitor cleaner tailor hairdresser barber stylist
    model intern apprentice freelancer ceo cto cfo coo sysadmin devops webmaster copywriter illustrator animator
    """
)

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "a couple of": 2,
    "a couple": 2, "couple of": 2,
}  # fmt: skip

ENGLISH = STOP | word_set(
    "want like love use work need get go know think make please let we're we'll you're they're let's "
    "new good thanks "
    "hello hi hey today yesterday tomorrow"
)

FOREIGN = word_set(
    """
    el la los las que de y en un una es por con para mi yo se del al lo como más pero sus le les des et je tu il elle
    nous vous est pas une dans sur avec pour mon ma mes au aux du qui ce cette ich und der die das ist nicht ein eine
    einen zu mit wir sie er es auf dem den habe bin mein meine o os um uma não eu meu minha é em com na não do da dos
    das di che e sono ho non per il gli ik het een van niet mijn ben met jag och är inte en på det att som jeg ikke
    og w na nie jest mam się z do że i bir ve bu için çok ben
    """
)
"""Small words of other languages written in Latin letters."""


def is_past(word: str) -> bool:
    """Whether ``word`` (lower case) is most likely a past form."""
    if word in IRREGULAR_PAST:
        return True
    return len(word) > 3 and word.endswith("ed") and word not in BASE_IN_ED


def is_adverb(word: str) -> bool:
    """Whether ``word`` (lower case) may stand between a subject and its verb."""
    return word in ADVERBS or (len(word) > 4 and word.endswith("ly") and word not in NOT_ADVERB_IN_LY)


def third_singular(verb: str) -> str:
    """The form of a verb (lower case, as after "I") that follows a singular name."""
    special = {
        "am": "is", "have": "has", "do": "does", "don't": "doesn't", "haven't": "hasn't", "go": "goes",
        "are": "is", "aren't": "isn't", "were": "was", "weren't": "wasn't", "ain't": "isn't", "been": "has been",
        "wanna": "wants to", "gotta": "has to", "gonna": "is going to", "dont": "doesn't", "havent": "hasn't",
        "be": "is",
    }  # fmt: skip
    if verb in special:
        return special[verb]
    if verb in MODALS or is_past(verb) or verb in {"is", "has", "does", "isn't", "hasn't", "doesn't", "better"}:
        return verb
    if verb.endswith(("'s", "'re", "'d", "'ll", "'ve")):
        return verb
    if verb.endswith("y") and len(verb) > 1 and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    if verb.endswith(("s", "sh", "ch", "x", "z", "o")):
        return verb + "es"
    return verb + "s"
