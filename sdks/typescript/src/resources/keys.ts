/** Keys. */

import type { CursorPage, List } from "../pagination.js";
import { path, type RequestOptions } from "../transport.js";
import type { CreatedKey, CursorArgs, Key, NewKey } from "../types.js";
import { Resource } from "./resource.js";

export class Keys extends Resource {
  /** Return a new key; no later answer holds its secret. */
  create(args: NewKey, options?: RequestOptions): Promise<CreatedKey> {
    return this.write("POST", "/v1/keys", { body: args }, options);
  }

  list(args: CursorArgs & { app?: string } = {}, options?: RequestOptions): List<Key, CursorPage<Key>> {
    return this.cursors("/v1/keys", args, options);
  }

  get(args: { keyId: string }, options?: RequestOptions): Promise<Key> {
    return this.read(path`/v1/keys/${args.keyId}`, {}, options);
  }

  /** Return the key that this client uses. */
  self(options?: RequestOptions): Promise<Key> {
    return this.read("/v1/keys/self", {}, options);
  }

  /** Revoke a key, for good. */
  revoke(args: { keyId: string }, options?: RequestOptions): Promise<Key> {
    return this.write("DELETE", path`/v1/keys/${args.keyId}`, {}, options);
  }
}
