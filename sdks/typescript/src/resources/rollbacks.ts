/** Taking back what a prompt version has published, everywhere in an app. */

import type { NewRollback, Rollback } from "../operations.js";
import type { CursorPage, List } from "../pagination.js";
import { path, type RequestOptions } from "../transport.js";
import type { AppRef, CursorArgs } from "../types.js";
import { appPath, fields, Resource } from "./resource.js";

type RollbackRef = AppRef & { rollbackId: string };

/** For operators' keys. */
export class Rollbacks extends Resource {
  list(args: AppRef & CursorArgs, options?: RequestOptions): List<Rollback, CursorPage<Rollback>> {
    return this.cursors(`${appPath(args)}/rollbacks`, args, options);
  }

  create(args: AppRef & NewRollback, options?: RequestOptions): Promise<Rollback> {
    return this.write("POST", `${appPath(args)}/rollbacks`, { body: fields(args) }, options);
  }

  get(args: RollbackRef, options?: RequestOptions): Promise<Rollback> {
    return this.read(rollbackPath(args), {}, options);
  }

  undo(args: RollbackRef & { reason: string }, options?: RequestOptions): Promise<Rollback> {
    return this.write("POST", `${rollbackPath(args)}/undo`, { body: fields(args, "rollbackId") }, options);
  }
}

function rollbackPath(ref: RollbackRef): string {
  return appPath(ref) + path`/rollbacks/${ref.rollbackId}`;
}
