/** Tenants. */

import type { CursorPage, List, NumberedPage } from "../pagination.js";
import { path, type RequestOptions, type Transport } from "../transport.js";
import type {
  App,
  AppRef,
  CursorArgs,
  Erasure,
  ErasureArgs,
  Imported,
  Metadata,
  NumberedArgs,
  Queue,
  SearchArgs,
  SearchResult,
} from "../types.js";
import { Experiments } from "./experiments.js";
import { exportLines } from "./places.js";
import { Prompts } from "./prompts.js";
import { Reprocesses } from "./reprocesses.js";
import { appPath, fields, Resource } from "./resource.js";
import { Rollbacks } from "./rollbacks.js";
import { Projects, Users } from "./users.js";
import { Webhooks } from "./webhooks.js";

/** Receipts of what was erased. */
export class Erasures extends Resource {
  list(args: AppRef & CursorArgs, options?: RequestOptions): List<Erasure, CursorPage<Erasure>> {
    return this.cursors(`${appPath(args)}/erasures`, args, options);
  }

  get(args: AppRef & { erasureId: string }, options?: RequestOptions): Promise<Erasure> {
    return this.read(appPath(args) + path`/erasures/${args.erasureId}`, {}, options);
  }
}

export class Apps extends Resource {
  readonly users: Users;
  readonly projects: Projects;
  readonly webhooks: Webhooks;
  readonly erasures: Erasures;
  readonly prompts: Prompts;
  readonly experiments: Experiments;
  readonly reprocesses: Reprocesses;
  readonly rollbacks: Rollbacks;

  /** @internal */
  constructor(transport: Transport) {
    super(transport);
    this.users = new Users(transport);
    this.projects = new Projects(transport);
    this.webhooks = new Webhooks(transport);
    this.erasures = new Erasures(transport);
    this.prompts = new Prompts(transport);
    this.experiments = new Experiments(transport);
    this.reprocesses = new Reprocesses(transport);
    this.rollbacks = new Rollbacks(transport);
  }

  create(args: { name: string; metadata?: Metadata }, options?: RequestOptions): Promise<App> {
    return this.write("POST", "/v1/apps", { body: args }, options);
  }

  /** Return an app; without an id, the one that the key is for. */
  get(args: Partial<AppRef> = {}, options?: RequestOptions): Promise<App> {
    return this.read("/v1/apps", { appId: args.appId }, options);
  }

  getByName(args: { name: string }, options?: RequestOptions): Promise<App> {
    return this.read(path`/v1/apps/name/${args.name}`, {}, options);
  }

  getOrCreate(args: { name: string }, options?: RequestOptions): Promise<App> {
    return this.read(path`/v1/apps/get_or_create/${args.name}`, {}, options);
  }

  list(args: NumberedArgs = {}, options?: RequestOptions): List<App, NumberedPage<App>> {
    return this.numbered("/v1/apps", args, options);
  }

  /** Rename an app, or replace its metadata. */
  update(args: AppRef & { name?: string; metadata?: Metadata }, options?: RequestOptions): Promise<App> {
    return this.write("PUT", appPath(args), { body: fields(args) }, options);
  }

  /** Erase an app with everything in it. */
  erase(args: AppRef & ErasureArgs, options?: RequestOptions): Promise<Erasure> {
    return this.write("DELETE", appPath(args), { query: fields(args) }, options);
  }

  /** Find events and conclusions of all users, sessions and projects. */
  search(args: AppRef & SearchArgs, options?: RequestOptions): Promise<SearchResult> {
    return this.ask(`${appPath(args)}/search`, { body: fields(args) }, options);
  }

  /** Return what waits to be reasoned over. */
  queue(args: AppRef, options?: RequestOptions): Promise<Queue> {
    return this.read(`${appPath(args)}/queue`, {}, options);
  }

  /** Return everything of an app as lines of JSON. */
  async export(args: AppRef, options?: RequestOptions): Promise<AsyncGenerator<string, void, void>> {
    return exportLines(await this.transport.text({ method: "GET", path: `${appPath(args)}/export` }, options));
  }

  /**
   * Bring in what an export has written; once more changes nothing. `ids: "new"` makes it a copy.
   * Lines are gathered before they are sent, so that they can be sent again.
   */
  async import(
    args: AppRef & { lines: string | Blob | Iterable<string> | AsyncIterable<string>; ids?: "new" },
    options?: RequestOptions,
  ): Promise<Imported> {
    const raw = await gathered(args.lines);
    const ask = { raw, contentType: "application/x-ndjson", query: { ids: args.ids } };
    return this.write("POST", `${appPath(args)}/import`, ask, options);
  }
}

async function gathered(lines: string | Blob | Iterable<string> | AsyncIterable<string>): Promise<string | Blob> {
  if (typeof lines === "string" || lines instanceof Blob) return lines;
  const parts: string[] = [];
  for await (const line of lines) parts.push(line.endsWith("\n") ? line : `${line}\n`);
  return new Blob(parts);
}
