/** Server-sent events, read from text that may be cut anywhere. */

export interface ServerSentEvent {
  event: string;
  data: string;
}

/** Yield each event of a text/event-stream; one that its end cuts off is no event. */
export async function* serverSentEvents(pieces: AsyncIterable<string>): AsyncGenerator<ServerSentEvent, void, void> {
  let event = "";
  let data: string[] = [];
  for await (const line of lines(pieces, /\r\n|\n|\r/)) {
    if (line === "") {
      if (data.length) yield { event: event || "message", data: data.join("\n") };
      event = "";
      data = [];
      continue;
    }
    const [, field, value] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? [];
    if (field === "event") event = value ?? "";
    if (field === "data") data.push(value ?? "");
  }
}

/** Yield each line that ends, and what is left at the end if `withRest`. */
export async function* lines(
  pieces: AsyncIterable<string>,
  end: RegExp,
  withRest = false,
): AsyncGenerator<string, void, void> {
  let rest = "";
  for await (const piece of pieces) {
    rest += piece;
    // The \n of a \r\n may be in the next piece.
    const held = rest.endsWith("\r") ? "\r" : "";
    const found = (held ? rest.slice(0, -1) : rest).split(end);
    rest = (found.pop() ?? "") + held;
    yield* found;
  }
  if (rest.endsWith("\r")) {
    yield rest.slice(0, -1);
    rest = "";
  }
  if (withRest && rest) yield rest;
}
