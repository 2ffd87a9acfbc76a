/**
 * What goes in and what comes back. Names are in camelCase; what lies inside `metadata`, `data`, `parameters` and
 * `madeBy` is the writer's own and is left as it is. Moments are ISO 8601 strings; a `Date` can be given for one.
 */

export type Metadata = Record<string, unknown>;
/** A moment: `2026-11-22T08:45:47.546154Z`. */
export type Time = string;
/** A moment, or an age: `7d`, `12h`, `30m`. */
export type When = string | Date;

/** Each id may be a name as well. */
export interface AppRef {
  appId: string;
}
export interface UserRef extends AppRef {
  userId: string;
}
export interface SessionRef extends UserRef {
  sessionId: string;
}
export interface ProjectRef extends AppRef {
  projectId: string;
}

/** A list by page numbers. */
export interface NumberedArgs {
  /** Metadata that an item must contain. */
  filter?: Metadata;
  page?: number;
  size?: number;
  /** Newest first. */
  reverse?: boolean;
}
/** A list by cursors. */
export interface CursorArgs {
  cursor?: string;
  limit?: number;
}

// ---------------------------------------------------------------------------------------------- apps, users, sessions

export interface App {
  id: string;
  name: string;
  metadata: Metadata;
  createdAt: Time;
}
export interface User extends App {
  appId: string;
}
export interface Session {
  id: string;
  name: string | null;
  isActive: boolean;
  userId: string;
  appId: string;
  metadata: Metadata;
  createdAt: Time;
}
export interface Message {
  id: string;
  clientId: string | null;
  content: string;
  isUser: boolean;
  sessionId: string;
  userId: string;
  appId: string;
  metadata: Metadata;
  createdAt: Time;
  tokenCount: number;
}
export interface NewMessage {
  content: string;
  /** Whether a user said it, not the agent. */
  isUser: boolean;
  metadata?: Metadata;
  /** Your own id: sent again with the same content, the message is stored once. */
  id?: string;
  occurredAt?: Time | Date;
}
export interface Metamessage {
  id: string;
  label: string;
  metamessageType: string;
  content: string;
  metadata: Metadata;
  appId: string;
  userId: string;
  sessionId: string | null;
  messageId: string | null;
  createdAt: Time;
}
export interface Collection {
  id: string;
  name: string;
  userId: string;
  appId: string;
  metadata: Metadata;
  createdAt: Time;
}
export interface Document {
  id: string;
  content: string;
  collectionId: string;
  userId: string;
  appId: string;
  metadata: Metadata;
  createdAt: Time;
}
/** What a deletion says. */
export interface Ended {
  message: string;
}

// -------------------------------------------------------------------------------------------------------------- events

export type Origin = "user" | "agent" | "tool" | "operator" | "recalled";
export interface NewEvent {
  /** `message` (the default), `tool_call`, `tool_result`, or your own with a dot: `invoice.sent`. */
  kind?: string;
  content?: string;
  data?: Record<string, unknown> | unknown[];
  metadata?: Metadata;
  /** Id or name of the user who did it; default: the one in whose log it is written. */
  author?: string;
  origin?: Origin;
  /** In place of origin: true is `user`, false `agent`. */
  isUser?: boolean;
  /** Your own id: sent again with the same content, the event is stored once. */
  id?: string;
  occurredAt?: Time | Date;
  /** Id or name of a project that it belongs to as well. */
  project?: string;
}
export interface Event {
  id: string;
  clientId: string | null;
  kind: string;
  content: string;
  data: Record<string, unknown> | unknown[] | null;
  metadata: Metadata;
  author: string | null;
  origin: Origin;
  appId: string;
  sessionId: string | null;
  userId: string | null;
  projectId: string | null;
  occurredAt: Time;
  recordedAt: Time;
  tokenCount: number;
}
export interface WrittenEvent extends Event {
  /** False where an earlier write with this id had stored it. */
  created: boolean;
}
export interface PendingEvent {
  id: string;
  kind: string;
  author: string | null;
  origin: Origin;
  content: string;
  data: Record<string, unknown> | unknown[] | null;
  occurredAt: Time;
}
export interface EventFilter extends CursorArgs {
  kind?: string;
  author?: string;
  since?: Time | Date;
  until?: Time | Date;
  reverse?: boolean;
}

// ------------------------------------------------------------------------------------------- context, representations

/** How much of the log is not in what is read. */
export interface Behind {
  events: number;
  seconds: number;
}
export interface Summary {
  short: string;
  long: string;
}
export interface PlainConclusion {
  id: string;
  content: string;
  level: "explicit" | "deductive" | "inductive" | "contradiction";
  about: string | null;
  heldFrom: string | null;
  heldUntil: string | null;
  importance: number;
  pinned: boolean;
}
export interface StandingConclusion extends PlainConclusion {
  sinceVersion: number;
  /** Ids of the events that it rests on. */
  sources: string[];
}
export interface Context {
  /** Natural language; empty where nothing is known yet. `String(context)` is this. */
  context: string;
  version: number;
  sessionVersion: number | null;
  asOf: Time | null;
  behind: Behind;
  appId: string;
  userId: string;
  sessionId: string | null;
  conclusions?: (StandingConclusion & { subject: "user" | "session" })[];
  summary?: Summary;
  card?: string[];
  pending?: PendingEvent[];
  at?: Time;
  toString(): string;
}
export interface ObserverArgs {
  /** Id or name of the user as whom to look. */
  observer?: string;
}
export interface VersionArgs extends ObserverArgs {
  /** Read what was served then. */
  at?: When;
  /** Read this version. */
  version?: number;
  /** The most tokens that the whole text may have. */
  tokens?: number;
  /** Seconds (0 to 30) to wait until everything that the log holds now has been read. */
  wait?: number;
}
export interface ContextArgs extends VersionArgs {
  include?: ("conclusions" | "summary" | "card" | "pending")[];
}
export interface NamedThing {
  id: string;
  name: string;
}
/** What a representation is about. */
export interface Subject {
  kind: Kind;
  id: string;
  name: string | null;
  observer?: NamedThing;
}
export type Kind = "user" | "observed" | "session" | "project";
export interface Representation {
  subject: Subject;
  /** `String(representation)` is this. */
  text: string;
  version: number | null;
  asOf: Time | null;
  createdAt: Time | null;
  behind: Behind;
  card: string[];
  now: string;
  summary: Summary;
  conclusions: StandingConclusion[];
  madeBy: Record<string, unknown> | null;
  at?: Time;
  toString(): string;
}
export interface Covers {
  from: number;
  to: number;
  events: number;
}
interface AnyVersion {
  version: number;
  status: "published" | "quarantined";
  createdAt: Time;
  asOf: Time | null;
  current: boolean;
  madeBy: Record<string, unknown>;
  by: string;
  covers: Covers;
  reason: string;
  parent: number | null;
  thinned: boolean;
}
export interface Version extends AnyVersion {
  added: number;
  retired: number;
}
export interface RetiredConclusion {
  id: string;
  content: string;
  reason: string;
  replacedBy: string | null;
}
export interface VersionDetail extends AnyVersion {
  added: StandingConclusion[];
  retired: RetiredConclusion[];
  text: string;
  card: string[];
  now: string;
  summary: Summary;
}
export interface DiffSide {
  version: number | null;
  at: Time;
  asOf: Time | null;
  madeBy: Record<string, unknown> | null;
}
export interface TextChange {
  from: string;
  to: string;
}
export interface GoneConclusion extends RetiredConclusion {
  about: string | null;
  untilVersion: number | null;
}
export interface Diff {
  from: DiffSide;
  to: DiffSide;
  subject: Subject;
  /** What has changed, to be read. */
  text: string;
  covers: Covers;
  added: StandingConclusion[];
  retired: GoneConclusion[];
  reworded: { from: GoneConclusion; to: StandingConclusion; replaced: boolean; similarity: number }[];
  keptCount: number;
  kept?: StandingConclusion[];
  card: { added: string[]; removed: string[] };
  now: TextChange | null;
  summary: { short: TextChange | null; long: TextChange | null };
}
export interface StandingSpan {
  line: string;
  recipe: string;
  serving: boolean;
  since: number;
  until: number | null;
  reason: string;
  replacedBy: { id: string; content: string } | null;
}
export interface SourceEvent extends PendingEvent {
  version: number;
  sessionId: string | null;
  session: string | null;
  recordedAt: Time;
}
export interface Explanation {
  subject: Subject;
  conclusion: PlainConclusion;
  foundBy: "id" | "line" | "beginning" | "likeness";
  stands: boolean;
  introduced: {
    version: number;
    createdAt: Time;
    asOf: Time | null;
    covers: Covers;
    madeBy: Record<string, unknown>;
    reason: string;
  } | null;
  sources: SourceEvent[];
  /** Events under it that were taken out of the log; `archivedAt` is null where another server did so. */
  archivedSources: { id: string; version: number; archivedAt: Time | null }[];
  sourcesCount: number;
  spans: StandingSpan[];
  premises: (PlainConclusion & { version: number })[];
  premiseOf: (PlainConclusion & { version: number })[];
}
export interface EventStatements {
  event: Event;
  items: (PlainConclusion & { subject: Subject; version: number; stands: boolean; spans: StandingSpan[] })[];
}
export interface Feedback {
  id: string;
  version: number;
  score: number;
  comment: string;
  by: string;
  createdAt: Time;
}
export interface Consolidation {
  subject: Subject;
  state: string;
  events: number;
}
export interface Conclusion extends PlainConclusion {
  sinceVersion: number | null;
  sources: string[];
  standing: boolean;
  retracted: boolean;
  createdAt: Time;
  correction: {
    act: "add" | "edit" | "retract" | "pin" | "unpin";
    by: string;
    reason: string;
    /** Null once that event is archived. */
    eventId: string | null;
    version: number;
    conclusionId: string;
    replacedBy: string | null;
    createdAt: Time;
  } | null;
}
export interface NewConclusion {
  /** One sentence, clear by itself, in the third person. */
  content: string;
  about?: string;
  importance?: number;
  reason?: string;
  id?: string;
}
export interface ConclusionChange {
  content?: string;
  importance?: number;
  pinned?: boolean;
  reason?: string;
}

// ------------------------------------------------------------------------------------------------------ search, query

export type Found = "event" | "conclusion";
export interface SearchArgs {
  query: string;
  limit?: number;
  in?: ("events" | "conclusions")[];
  mode?: "hybrid" | "lexical" | "semantic";
  filters?: {
    kind?: string | string[];
    author?: string;
    origin?: Origin | Origin[];
    session?: string;
    project?: string;
    since?: When;
    until?: When;
    metadata?: Metadata;
  };
}
export interface SearchHit {
  type: Found;
  score: number;
  ranks: { lexical: number | null; semantic: number | null };
  highlights: { text: string; marks: [number, number][] }[];
  event?: Event;
  conclusion?: PlainConclusion & { subject: Subject };
}
export interface SearchResult {
  items: SearchHit[];
  /** What was done: lexical alone where there are no embeddings; `note` says why. */
  mode: "hybrid" | "lexical" | "semantic";
  embedding: { model: string; indexed: number; waiting: number } | null;
  note: string | null;
}
export interface QueryArgs {
  query: string;
  session?: string;
  tokens?: number;
  wait?: number;
}
export interface RecallArgs extends QueryArgs {
  mode?: "recall";
  /** From when "yesterday" in the query counts; by default from now. */
  askedAt?: Time | Date;
}
export interface ReasonArgs extends QueryArgs {
  mode: "reason";
  level?: "minimal" | "low" | "medium" | "high" | "max";
}
interface Fresh {
  version: number | null;
  asOf: Time | null;
  behind: Behind;
  toString(): string;
}
export interface Recalled extends Fresh {
  mode: "recall";
  /** Whole sentences that fit the tokens. `String(recalled)` is this. */
  context: string;
  tokens: number;
  /** `line` is the item as it stands in `context`; `sources` are the ids of the events that it rests on. */
  items: { type: Found; id: string; text: string; score: number; at: Time | null; line: string; sources: string[] }[];
  search: "hybrid" | "lexical";
  note: string | null;
}
export interface Answer extends Fresh {
  mode: "reason";
  /** `String(answer)` is this; "Not known." where nothing says it. */
  answer: string;
  known: boolean;
  citations: { type: Found; id: string; text: string }[];
  level: string;
  model: string;
  usage: { calls: number; promptTokens: number; completionTokens: number; cost: string | null };
}
/** What a streamed answer yields: pieces of the text, and at the end the whole answer. */
export type AnswerPiece = { type: "delta"; text: string } | { type: "done"; answer: Answer };
export interface Chat {
  /** `String(chat)` is this. */
  content: string;
  toString(): string;
}

// --------------------------------------------------------------------------------------- keys, webhooks, erasure, queue

export interface Key {
  id: string;
  name: string;
  scope: "operator" | "app" | "user" | "session" | "project" | "collection";
  appId: string | null;
  userId: string | null;
  sessionId: string | null;
  projectId: string | null;
  collectionId: string | null;
  access: "write" | "read";
  prefix: string;
  expiresAt: Time | null;
  lastUsedAt: Time | null;
  revokedAt: Time | null;
  ratePerMinute: number | null;
  createdBy: string;
  createdAt: Time;
}
export interface NewKey {
  name?: string;
  scope: Key["scope"];
  app?: string;
  user?: string;
  session?: string;
  project?: string;
  collection?: string;
  access?: "write" | "read";
  expiresAt?: Time | Date | null;
  ratePerMinute?: number | null;
}
/** The only answer that holds the key itself. */
export interface CreatedKey extends Key {
  key: string;
}
export type WebhookEvent = "representation.published" | "pass.parked" | "reprocess.finished";
export interface NewWebhook {
  /** https, to a public address. */
  url: string;
  events: WebhookEvent[];
  description?: string;
}
export interface Webhook {
  id: string;
  url: string;
  events: WebhookEvent[];
  description: string;
  enabled: boolean;
  /** Why it was disabled, if not by hand. */
  disabledReason: string;
  /** How many attempts have failed since one succeeded. */
  failures: number;
  createdAt: Time;
}
/** The only answers that hold the secret itself: of a new webhook, and of a rotation. */
export interface WebhookWithSecret extends Webhook {
  secret: string;
}
export interface Delivery {
  id: string;
  /** The header `webhook-id` of every attempt. */
  eventId: string;
  type: WebhookEvent | "webhook.test";
  state: string;
  attempts: number;
  status: number | null;
  error: string;
  nextAt: Time | null;
  attemptedAt: Time | null;
  createdAt: Time;
}
export interface ErasureArgs {
  /** Count what would be erased, and change nothing. */
  dryRun?: boolean;
  reason?: string;
}
/** The receipt of an erasure. */
export interface Erasure {
  id: string | null;
  dryRun: boolean;
  what: "event" | "session" | "user" | "project" | "app";
  /** The id of what was erased. */
  target: string;
  erased: Record<string, number>;
  subjects: { unreadable: number; rebuilding: number };
  reason: string;
  by: string;
  createdAt: Time | null;
  /** When the database's files held nothing of it any more. */
  vacuumedAt: Time | null;
}
export interface Imported {
  appId: string;
  imported: Record<string, number>;
  skipped: Record<string, number>;
}
interface QueueCounts {
  waiting: number;
  leased: number;
  held: number;
  parked: number;
  events: number;
}
export interface Queue extends QueueCounts {
  notTakenIn: number;
  /** Events and statements that the search index does not hold yet, and those that have no vector yet. */
  notIndexed: number;
  notEmbedded: number;
  oldestSeconds: number | null;
  byKind: Partial<Record<Kind, QueueCounts>>;
}
