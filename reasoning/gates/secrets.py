"""Whether a text holds credentials.

The shapes of tokens follow the rules of gitleaks (github.com/gitleaks/gitleaks, config/gitleaks.toml, MIT), written
anew and looser in length, since makers change it. gitleaks' rule for any random string is not among them: hashes of
commits, UUIDs and order numbers are honest memory.
"""

from __future__ import annotations

import re

from reasoning.gates.text import seen

# Nothing of a token's own alphabet stands before it: so no search begins in the middle of a long run.
_START = r"(?<![A-Za-z0-9_-])"

_SHAPES: tuple[tuple[str, str], ...] = (
    ("a private key", r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    (
        "an API key of a model provider",
        rf"{_START}sk-(?:(?:ant|proj|svcacct|admin|or)-[\w-]{{20,}}|[A-Za-z0-9]{{32,}})",
    ),
    ("an access key of AWS", rf"{_START}(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{{16}}(?![A-Za-z0-9])"),
    ("a token of GitHub", rf"{_START}(?:gh[pousr]_[A-Za-z0-9]{{30,}}|github_pat_\w{{22,}})"),
    ("a token of GitLab", rf"{_START}gl(?:pat|ptt|rt|dt|cbt|soat|ft|oas|agent)-[\w-]{{20,}}"),
    ("a token of Slack", rf"{_START}(?:xox[abceoprs]-[\w-]{{10,}}|xapp-\d-[\w-]{{20,}})"),
    ("a webhook of Slack", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,}"),
    ("a key of Stripe", rf"{_START}(?:(?:sk|rk)_(?:test|live|prod)_[A-Za-z0-9]{{10,}}|whsec_[A-Za-z0-9+/]{{20,}})"),
    ("a key of Google", rf"{_START}(?:AIza[\w-]{{35}}|GOCSPX-[\w-]{{20,}}|ya29\.[\w-]{{20,}})"),
    ("a token of Hugging Face", rf"{_START}hf_[A-Za-z0-9]{{30,}}"),
    ("a token of a package registry", rf"{_START}(?:npm_[A-Za-z0-9]{{36}}|pypi-AgEIcHlwaS5vcmc[\w-]{{20,}})"),
    ("a key of SendGrid", rf"{_START}SG\.[\w-]{{16,}}\.[\w-]{{16,}}"),
    ("a token of DigitalOcean", rf"{_START}do[opr]_v1_[a-f0-9]{{64}}"),
    ("a token of a Telegram bot", rf"{_START}\d{{8,10}}:AA[\w-]{{32,}}"),
    ("a token of Shopify", rf"{_START}shp(?:at|ca|pa|ss)_[a-fA-F0-9]{{32}}"),
    ("a key of this memory", rf"{_START}hk_[\w-]{{40,}}"),
    ("a JSON Web Token", rf"{_START}ey[A-Za-z0-9]{{15,}}\.ey[\w-]{{15,}}\.[\w-]{{10,}}"),
    ("an authorization header", r"(?i:\bauthorization\W{1,4}(?:bearer|basic|token) [\w.~+/=-]{16,})"),
)
_TOKENS = tuple((what, re.compile(pattern, re.ASCII)) for what, pattern in _SHAPES)

_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:/@?#]{0,100}:([^\s/@]{3,200})@[\w.\[-]")
_PLACEHOLDER = re.compile(r"[<${\[*%].*|x+|\.+|(?:your[-_ ]?)?(?:pass(?:word|wd)?|pwd|secret|token|key)", re.I)

_NAMED = re.compile(
    r"(?P<name>\b(?:pass(?:word|wd|phrase|code)|pwd|passwort|kennwort|contraseña|mot de passe|senha|wachtwoord|hasło"
    r"|парол[ья]|api[ _-]?(?:key|schlüssel|token)|secret(?:[ _-](?:access[ _-])?key)?|(?:access|auth|bearer)[ _-]?token"
    r"|client[ _-]secret)s?\b|密码|密碼|口令)"
    r"[\"'`]?(?: (?:for|of|to|at|on|für|von|zum|de|del|da|do|du|pour|para) [^\n.:=!?]{1,40}?)?"
    r" ?(?:\b(?:is|was|to|ist|lautet|war|es|era|est|é|wynosi)\b|:=|=>|->|=|:|是|为|:|—|-) ?(?::|=)? ?"
    r"(?P<value>[^\s,;]{4,200})",
    re.I,
)
_PASSWORD = re.compile(r"pass|pwd|kennwort|contraseña|mot|senha|wachtwoord|hasło|парол|密|口令", re.I)
_TECHNIQUE = re.compile(
    r"(?:sha|md|oauth|base|utf|aes|rsa|[hre]s|argon|pbkdf|bcrypt|scrypt|ipv|http|v)[-_]?\d*(?:-.*)?|\d+-[a-z]+", re.I
)
_AROUND = "\"'`“”‘’„«»()[].,;!?"


def credential(text: str) -> str | None:
    """Return what kind of credential ``text`` holds; ``None`` where it holds none."""
    plain = seen(text)
    for what, pattern in _TOKENS:
        if pattern.search(plain):
            return what
    if "://" in plain and any(not _PLACEHOLDER.fullmatch(found[1]) for found in _URL.finditer(plain)):
        return "an address with a password"
    if any(_is_secret(found["name"], found["value"]) for found in _NAMED.finditer(plain)):
        return "a password or key that is named as such"
    return None


def _is_secret(name: str, value: str) -> bool:
    """Say whether ``value`` looks like the secret called ``name``, and not like the next word of a sentence."""
    inner = value.strip(_AROUND)
    if _PLACEHOLDER.fullmatch(inner) or _TECHNIQUE.fullmatch(inner) or inner.startswith(("http://", "https://")):
        return False
    letters, digits = any(map(str.isalpha, inner)), any(map(str.isdigit, inner))
    if _PASSWORD.match(name):
        odd = any(character in "!@#$%^&*+=~?" for character in inner)
        return (digits and len(inner) >= 6) or (letters and odd and len(inner) >= 5)
    return letters and digits and len(inner) >= 12
