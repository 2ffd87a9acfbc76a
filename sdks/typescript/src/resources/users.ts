/** Who is remembered, and projects. */

import type { List, NumberedPage } from "../pagination.js";
import { path, type RequestOptions, type Transport } from "../transport.js";
import type {
  AppRef,
  Context,
  ContextArgs,
  Erasure,
  ErasureArgs,
  Metadata,
  NumberedArgs,
  ProjectRef,
  User,
  UserRef,
} from "../types.js";
import { Collections, Metamessages } from "./collections.js";
import { Answering } from "./places.js";
import { appPath, fields, projectPath, speaking, userPath } from "./resource.js";
import { Sessions } from "./sessions.js";

export class Users extends Answering<UserRef> {
  readonly sessions: Sessions;
  readonly collections: Collections;
  readonly metamessages: Metamessages;

  /** @internal */
  constructor(transport: Transport) {
    super(transport, userPath);
    this.sessions = new Sessions(transport);
    this.collections = new Collections(transport);
    this.metamessages = new Metamessages(transport);
  }

  create(args: AppRef & { name: string; metadata?: Metadata }, options?: RequestOptions): Promise<User> {
    return this.write("POST", `${appPath(args)}/users`, { body: fields(args) }, options);
  }

  get(args: UserRef, options?: RequestOptions): Promise<User> {
    return this.read(userPath(args), {}, options);
  }

  getByName(args: AppRef & { name: string }, options?: RequestOptions): Promise<User> {
    return this.read(appPath(args) + path`/users/name/${args.name}`, {}, options);
  }

  getOrCreate(args: AppRef & { name: string }, options?: RequestOptions): Promise<User> {
    return this.read(appPath(args) + path`/users/get_or_create/${args.name}`, {}, options);
  }

  list(args: AppRef & NumberedArgs, options?: RequestOptions): List<User, NumberedPage<User>> {
    return this.numbered(`${appPath(args)}/users`, args, options);
  }

  /** Rename a user, or replace their metadata. */
  update(args: UserRef & { name?: string; metadata?: Metadata }, options?: RequestOptions): Promise<User> {
    return this.write("PUT", userPath(args), { body: fields(args) }, options);
  }

  /** Erase a user with all that is known of them. */
  erase(args: UserRef & ErasureArgs, options?: RequestOptions): Promise<Erasure> {
    return this.write("DELETE", userPath(args), { query: fields(args) }, options);
  }

  /** Return what an agent should know of a user now, whatever the session; `String()` of it is the text. */
  async getContext(args: UserRef & ContextArgs, options?: RequestOptions): Promise<Context> {
    return speaking(await this.read<Context>(`${userPath(args)}/context`, fields(args), options), "context");
  }

  /** Return everything of a user as lines of JSON. */
  export(args: UserRef, options?: RequestOptions): Promise<AsyncGenerator<string, void, void>> {
    return this.exported(args, options);
  }
}

/** Pieces of work that span sessions and users. The first event that names one makes it. */
export class Projects extends Answering<ProjectRef> {
  /** @internal */
  constructor(transport: Transport) {
    super(transport, projectPath);
  }

  /** Erase a project with all that is known of it. */
  erase(args: ProjectRef & ErasureArgs, options?: RequestOptions): Promise<Erasure> {
    return this.write("DELETE", projectPath(args), { query: fields(args) }, options);
  }

  /** Return everything of a project as lines of JSON. */
  export(args: ProjectRef, options?: RequestOptions): Promise<AsyncGenerator<string, void, void>> {
    return this.exported(args, options);
  }
}
