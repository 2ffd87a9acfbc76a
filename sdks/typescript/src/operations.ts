/** What operators do (prompts, experiments, reprocesses, rollbacks): what goes in and what comes back. */

import type { Covers, Diff, Kind, NamedThing, Subject, Summary, TextChange, Time } from "./types.js";

export interface NamedPrompt extends NamedThing {
  kind: Kind;
  number: number;
  message: string;
}
export interface Prompt extends NamedPrompt {
  of: "app" | "site";
  model: string;
  parameters: Record<string, unknown>;
  labels: string[];
  passes: number;
  author: string | null;
  createdAt: Time;
}
export interface WholePrompt extends Prompt {
  instructions: string;
}
export interface NewPrompt {
  /** What the change is for. */
  message: string;
  kind?: Kind;
  instructions?: string;
  model?: string;
  parameters?: Record<string, unknown>;
  /** The version to begin with. */
  from?: string;
}
interface PromptPiece {
  act: "same" | "added" | "removed";
  text: string;
}
export interface PromptDiff {
  from: NamedPrompt;
  to: NamedPrompt;
  unified: string;
  lines: PromptPiece[];
  words: PromptPiece[];
  settings: { name: string; from: unknown; to: unknown }[];
}
export interface DryRunArgs {
  user?: string;
  session?: string;
  project?: string;
  observer?: string;
  events?: number;
}
interface Proposed {
  content: string;
  about: string | null;
  level: string;
  importance: number;
  heldFrom: string | null;
  heldUntil: string | null;
  pinned: boolean;
  sources: string[];
}
interface Dropped {
  id: string;
  content: string;
  about: string | null;
  reason: string;
  replacedBy: string | null;
}
interface GateProblem {
  gate: string;
  text: string;
}
export interface DryRun {
  subject: Subject;
  prompt: NamedPrompt;
  window: { unread: boolean; covers: Covers; basis: number | null };
  verdict: { publishable: boolean; refused: GateProblem[]; withheld: GateProblem[] };
  stands: number | null;
  wouldBe: { text: string; card: string[]; now: string; summary: Summary };
  added: Proposed[];
  retired: Dropped[];
  reworded: { from: Dropped; to: Proposed; replaced: boolean; similarity: number }[];
  kept: Proposed[];
  card: { added: string[]; removed: string[] };
  now: TextChange | null;
  summary: { short: TextChange | null; long: TextChange | null };
  provider: string;
  model: string;
  inputTokens: number;
  outputTokens: number;
  cachedTokens: number;
  cost: string | null;
  warnings: string[];
}
export type LabelName = "live" | "previous" | "candidate";
export interface LabelMove {
  name: LabelName;
  kind: Kind;
  of: "app" | "site";
  by: string;
  reason: string;
  at: Time;
  from: NamedPrompt | null;
  to: NamedPrompt | null;
}
export interface Labels {
  labels: { name: LabelName; kind: Kind; of: "app" | "site"; version: NamedPrompt }[];
  moves: LabelMove[];
  nextCursor: string | null;
}

export interface Guardrail {
  measure: string;
  limit: number;
  relative?: boolean;
  leastPasses?: number;
}
export interface NewExperiment {
  name: string;
  kind?: Kind;
  mode?: "serve" | "shadow";
  candidates: { version: string; share?: number }[];
  sample?: number;
  guardrails?: Guardrail[];
  reason?: string;
}
export interface Experiment {
  id: string;
  name: string;
  kind: Kind;
  mode: "serve" | "shadow";
  state: "draft" | "running" | "paused" | "stopped" | "promoted";
  control: NamedThing;
  sample: number;
  guardrails: Guardrail[];
  arms: { id: string; version: NamedThing; share: number; paused: boolean; pausedBecause: string }[];
  createdAt: Time;
  startedAt: Time | null;
  endedAt: Time | null;
}
export interface WholeExperiment extends Experiment {
  acts: {
    act: string;
    arm: string | null;
    by: string;
    reason: string;
    /** By the arm's id. */
    sharesBefore: Record<string, number>;
    sharesAfter: Record<string, number>;
    at: Time;
  }[];
}
export interface Estimate {
  value: number | null;
  low: number | null;
  high: number | null;
  n: number;
}
export interface ArmMeasures {
  arm: string | null;
  version: NamedThing;
  target: number;
  actual: Estimate;
  passes: number;
  events: number;
  /** By the measure's name, as the server writes it: `failure_rate`. */
  measures: Record<string, Estimate>;
  differences: Record<string, Estimate>;
}
export interface Measures {
  since: Time | null;
  until: Time;
  subjects: number;
  units: Record<string, { title: string; unit: string; over: string }>;
  control: ArmMeasures;
  arms: ArmMeasures[];
}
export interface Assignment {
  subject: Subject;
  bucket: number;
  arm: string | null;
  version: NamedThing;
  servesNext: NamedThing;
}
interface Compared {
  text: string;
  card: string[];
  now: string;
  summary: Summary;
}
export interface Pair {
  arm: string;
  subject: Subject;
  subjectId: string;
  coversTo: number;
  first: Compared;
  second: Compared;
}
export interface Choice {
  arm: string;
  subjectId: string;
  coversTo: number;
  choice: "first" | "second" | "tie";
  reason?: string;
}

export interface ReprocessLimits {
  passesPerMinute?: number | null;
  tokenBudget?: number | null;
  moneyBudget?: string | null;
}
export interface NewReprocess extends ReprocessLimits {
  prompt: string;
  reason: string;
  since?: string | null;
  subjects?: unknown[];
  carrier?: "calls" | "batch";
}
export interface Reprocess {
  id: string;
  prompt: string;
  kind: Kind;
  subjects: string[];
  since: Time | null;
  carrier: "calls" | "batch";
  state: "draft" | "running" | "paused" | "done" | "cancelled" | "promoted" | "discarded";
  stateReason: string;
  passesPerMinute: number | null;
  tokenBudget: number | null;
  moneyBudget: string | null;
  tokens: number;
  cost: string;
  estimate: {
    subjects: number;
    events: number;
    eventTokens: number;
    passes: number;
    inputTokens: number;
    outputTokens: number;
    tokens: number;
    money: string | null;
    seconds: number | null;
    restsOn: string;
  };
  by: string;
  reason: string;
  createdAt: Time;
  startedAt: Time | null;
  endedAt: Time | null;
}
export interface WholeReprocess extends Reprocess {
  progress: {
    items: Record<string, number>;
    events: number;
    eventsRead: number;
    eventsLeft: number;
    passes: Record<string, number>;
    failures: number;
    work: Record<string, number>;
    eventsPerMinute: number | null;
    etaSeconds: number | null;
  };
}
/** What of a run is promoted. With `end: false` it stays open, and the others can be promoted later. */
export interface ReprocessPart {
  only: "all" | "without_regressions";
  percent?: number;
  subjects?: (string | { user: string; observer: string })[];
  end?: boolean;
}
export interface PromotedReprocess extends WholeReprocess {
  promoted: number;
  left: number;
}
export interface UndoneReprocess extends WholeReprocess {
  undone: number;
}
export interface ReprocessItem {
  id: string;
  subject: Subject;
  state: "pending" | "reading" | "ready" | "failed" | "promoted" | "left";
  error: string;
  beganWith: number | null;
  made: number | null;
  readTo: number;
  target: number;
  regressions: string[];
}
export interface SampledReprocess extends ReprocessItem {
  diff: Diff | null;
}

export interface NewRollback {
  prompt: string;
  since?: Time | Date;
  then?: "stay" | "reason_again";
  live?: string;
  keepLive?: boolean;
  reason?: string;
  /** Say what it would do, and change nothing. */
  dryRun?: boolean;
}
export interface Rollback {
  id: string | null;
  prompt: string;
  since: Time | null;
  then: "stay" | "reason_again";
  live: string | null;
  subjects: number;
  by: string;
  reason: string;
  undoes: string | null;
  undoneBy: string | null;
  createdAt: Time | null;
  plan: {
    subjects: number;
    versions: number;
    nothingBefore: number;
    events: number;
    live: string | null;
    experiments: number;
    runs: number;
    sample: { subject: string; kind: string; change: string; from: number; to: number | null }[];
  } | null;
}
