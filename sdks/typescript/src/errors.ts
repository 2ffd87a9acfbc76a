/** What can go wrong. No error holds the key, a header of the request or what was sent. */

/** Every error of this package. */
export class HonchoError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** One value that the server cannot take: what is wrong, and where. */
export interface Problem {
  type: string;
  loc: (string | number)[];
  msg: string;
  input?: unknown;
}

/** The server answered, with an error. */
export class APIStatusError extends HonchoError {
  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** The server's machine-readable word for it, such as `not_found`. */
    readonly code: string,
    /** What is wrong: a sentence, or each value that cannot be taken. */
    readonly detail: string | Problem[],
    /** The id under which the server logged the request. */
    readonly requestId: string | null = null,
    /** Milliseconds after which the server wants to be asked again, where it said so. */
    readonly retryAfter: number | null = null,
    /** Whether the server said that asking again may help, or cannot. */
    readonly shouldRetry: boolean | null = null,
  ) {
    super(`${status} ${code}: ${sentence(detail)}${requestId ? ` (request ${requestId})` : ""}`);
  }

  /** Return the error of an HTTP status. */
  static of(...[status, ...rest]: ConstructorParameters<typeof APIStatusError>): APIStatusError {
    const kind = KINDS[status] ?? (status >= 500 ? InternalServerError : APIStatusError);
    return new kind(status, ...rest);
  }
}

export class BadRequestError extends APIStatusError {}
/** 401: no key, a wrong one, or one that does not open this. */
export class AuthenticationError extends APIStatusError {}
/** 403: the key can only read, or the write is an operator's. */
export class PermissionDeniedError extends APIStatusError {}
export class NotFoundError extends APIStatusError {}
/** 409: it contradicts what is stored. */
export class ConflictError extends APIStatusError {}
/** 413: more than the server takes. */
export class TooLargeError extends APIStatusError {}
/** 422: a value cannot be taken; `detail` names each. */
export class UnprocessableEntityError extends APIStatusError {}
export class RateLimitError extends APIStatusError {}
/** 5xx. */
export class InternalServerError extends APIStatusError {}

/** The server was not reached, or its answer was cut off. */
export class APIConnectionError extends HonchoError {}

/** No answer within the timeout. */
export class APITimeoutError extends APIConnectionError {}

/** Some events of a buffer were not stored: the server refused them, or the time to send them was over. */
export class BufferError<E = unknown> extends HonchoError {
  constructor(
    message: string,
    /** The events that were not stored, as they were added, with the ids under which they can be sent again. */
    readonly events: E[],
    /** Why. */
    cause: unknown,
  ) {
    super(message, { cause });
  }
}

const KINDS: Record<number, typeof APIStatusError> = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  413: TooLargeError,
  422: UnprocessableEntityError,
  429: RateLimitError,
};

function sentence(detail: string | Problem[]): string {
  if (typeof detail === "string") return detail;
  return detail.map((problem) => `${problem.loc.join(".")}: ${problem.msg}`).join("; ");
}
