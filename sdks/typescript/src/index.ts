export { Honcho } from "./client.js";
export type { BufferedEvent, BufferOptions, EventBuffer } from "./buffer.js";
export * from "./errors.js";
export type { CursorPage, List, NumberedPage, Page } from "./pagination.js";
export type { AnswerStream } from "./resources/places.js";
export type { ClientOptions, RequestOptions } from "./transport.js";
export type * from "./types.js";
export type * from "./operations.js";
