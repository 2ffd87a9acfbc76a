/** Reading old events again with another prompt version. */

import type {
  NewReprocess,
  PromotedReprocess,
  Reprocess,
  ReprocessItem,
  ReprocessLimits,
  ReprocessPart,
  SampledReprocess,
  UndoneReprocess,
  WholeReprocess,
} from "../operations.js";
import type { CursorPage, List } from "../pagination.js";
import { path, type RequestOptions } from "../transport.js";
import type { AppRef, CursorArgs } from "../types.js";
import { appPath, fields, Resource } from "./resource.js";

type ReprocessRef = AppRef & { reprocessId: string };
type Reason = { reason?: string };

/** For operators' keys. */
export class Reprocesses extends Resource {
  list(args: AppRef & CursorArgs, options?: RequestOptions): List<Reprocess, CursorPage<Reprocess>> {
    return this.cursors(`${appPath(args)}/reprocesses`, args, options);
  }

  create(args: AppRef & NewReprocess, options?: RequestOptions): Promise<WholeReprocess> {
    return this.write("POST", `${appPath(args)}/reprocesses`, { body: fields(args) }, options);
  }

  get(args: ReprocessRef, options?: RequestOptions): Promise<WholeReprocess> {
    return this.read(reprocessPath(args), {}, options);
  }

  update(args: ReprocessRef & ReprocessLimits, options?: RequestOptions): Promise<WholeReprocess> {
    return this.write("PUT", reprocessPath(args), { body: fields(args, "reprocessId") }, options);
  }

  start(args: ReprocessRef & Reason, options?: RequestOptions): Promise<WholeReprocess> {
    return this.#act("start", args, options);
  }

  pause(args: ReprocessRef & Reason, options?: RequestOptions): Promise<WholeReprocess> {
    return this.#act("pause", args, options);
  }

  resume(args: ReprocessRef & Reason, options?: RequestOptions): Promise<WholeReprocess> {
    return this.#act("resume", args, options);
  }

  cancel(args: ReprocessRef & Reason, options?: RequestOptions): Promise<WholeReprocess> {
    return this.#act("cancel", args, options);
  }

  discard(args: ReprocessRef & Reason, options?: RequestOptions): Promise<WholeReprocess> {
    return this.#act("discard", args, options);
  }

  promote(
    args: ReprocessRef & Reason & ReprocessPart,
    options?: RequestOptions,
  ): Promise<PromotedReprocess> {
    return this.#act("promote", args, options);
  }

  /** Give readers again what they were given before it was promoted. */
  undo(args: ReprocessRef & { reason: string }, options?: RequestOptions): Promise<UndoneReprocess> {
    return this.#act("undo", args, options);
  }

  items(
    args: ReprocessRef & CursorArgs & { state?: ReprocessItem["state"] },
    options?: RequestOptions,
  ): List<ReprocessItem, CursorPage<ReprocessItem>> {
    return this.cursors(`${reprocessPath(args)}/items`, fields(args, "reprocessId"), options);
  }

  /** Return some of its subjects, each with what would change. */
  sample(args: ReprocessRef & { limit?: number }, options?: RequestOptions): Promise<{ items: SampledReprocess[] }> {
    return this.read(`${reprocessPath(args)}/sample`, { limit: args.limit }, options);
  }

  #act<T = WholeReprocess>(act: string, args: ReprocessRef, options?: RequestOptions): Promise<T> {
    return this.write("POST", `${reprocessPath(args)}/${act}`, { body: fields(args, "reprocessId") }, options);
  }
}

function reprocessPath(ref: ReprocessRef): string {
  return appPath(ref) + path`/reprocesses/${ref.reprocessId}`;
}
