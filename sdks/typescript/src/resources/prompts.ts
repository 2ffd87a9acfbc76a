/** Prompt versions, and the labels that say which one is live. */

import type { CursorPage, List } from "../pagination.js";
import type {
  DryRun,
  DryRunArgs,
  LabelMove,
  LabelName,
  Labels,
  NewPrompt,
  Prompt,
  PromptDiff,
  WholePrompt,
} from "../operations.js";
import { path, type RequestOptions } from "../transport.js";
import type { AppRef, CursorArgs, Kind } from "../types.js";
import { appPath, fields, Resource } from "./resource.js";

type PromptRef = AppRef & { promptId: string };
type LabelRef = AppRef & { kind: Kind; label: Exclude<LabelName, "previous"> };

/** For operators' keys. */
export class Prompts extends Resource {
  list(args: AppRef & CursorArgs & { kind?: Kind }, options?: RequestOptions): List<Prompt, CursorPage<Prompt>> {
    return this.cursors(`${appPath(args)}/prompts`, args, options);
  }

  create(args: AppRef & NewPrompt, options?: RequestOptions): Promise<WholePrompt> {
    return this.write("POST", `${appPath(args)}/prompts`, { body: fields(args) }, options);
  }

  get(args: PromptRef, options?: RequestOptions): Promise<WholePrompt> {
    return this.read(promptPath(args), {}, options);
  }

  diff(args: PromptRef & { to: string }, options?: RequestOptions): Promise<PromptDiff> {
    return this.read(`${promptPath(args)}/diff`, { to: args.to }, options);
  }

  /** Ask the model as a pass would, and publish nothing. */
  dryRun(args: PromptRef & DryRunArgs, options?: RequestOptions): Promise<DryRun> {
    return this.write("POST", `${promptPath(args)}/dry_run`, { body: fields(args, "promptId") }, options);
  }

  /** Return which versions the labels point at, and the first page of how they were moved. */
  labels(args: AppRef & CursorArgs & { kind?: Kind }, options?: RequestOptions): Promise<Labels> {
    return this.read(`${appPath(args)}/prompts/labels`, fields(args), options);
  }

  moveLabel(
    args: LabelRef & { version: string; reason: string },
    options?: RequestOptions,
  ): Promise<{ move: LabelMove | null }> {
    return this.write("PUT", labelPath(args), { body: fields(args, "kind", "label") }, options);
  }

  takeOffLabel(args: LabelRef & { reason?: string }, options?: RequestOptions): Promise<{ move: LabelMove | null }> {
    return this.write("DELETE", labelPath(args), { query: { reason: args.reason } }, options);
  }
}

function promptPath(ref: PromptRef): string {
  return appPath(ref) + path`/prompts/${ref.promptId}`;
}

function labelPath(ref: LabelRef): string {
  return appPath(ref) + path`/prompts/labels/${ref.kind}/${ref.label}`;
}
