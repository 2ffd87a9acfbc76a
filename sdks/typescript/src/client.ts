import { EventBuffer, type BufferOptions } from "./buffer.js";
import { Apps } from "./resources/apps.js";
import { Keys } from "./resources/keys.js";
import { type ClientOptions, Transport } from "./transport.js";

/** The client of one server, with one key. */
export class Honcho {
  readonly apps: Apps;
  readonly keys: Keys;
  readonly #transport: Transport;

  /** Throws {@link HonchoError} for a base URL or a key that cannot be one. */
  constructor(options: ClientOptions = {}) {
    this.#transport = new Transport(options);
    this.apps = new Apps(this.#transport);
    this.keys = new Keys(this.#transport);
  }

  /** Return a new buffer, which writes events in batches in the background. Close it at the end. */
  buffer(options: BufferOptions = {}): EventBuffer {
    return new EventBuffer(this.#transport, options);
  }
}
