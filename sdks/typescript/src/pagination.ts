/** Lists: await one for its first page, or go through all of it with `for await`. */

/** One page of a list. */
export interface Page<T> {
  items: T[];
}

/** A page with its number. */
export interface NumberedPage<T> extends Page<T> {
  total: number;
  page: number;
  size: number;
  pages: number;
}

/** A page of what only grows. */
export interface CursorPage<T> extends Page<T> {
  nextCursor: string | null;
}

/** A list on the server. Nothing is asked for before it is awaited or gone through. */
export class List<T, P extends Page<T>> implements AsyncIterable<T>, PromiseLike<P> {
  constructor(private readonly walk: () => AsyncGenerator<P, void, void>) {}

  /** Yield page after page. */
  pages(): AsyncGenerator<P, void, void> {
    return this.walk();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for await (const page of this.walk()) yield* page.items;
  }

  /** Resolve to the first page. */
  then<A = P, B = never>(
    fulfilled?: ((page: P) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#first().then(fulfilled, rejected);
  }

  async #first(): Promise<P> {
    for await (const page of this.walk()) return page;
    throw new Error("unreachable: a list has a first page");
  }
}

/** Return a list by page numbers, from page `first` on. */
export function numbered<T>(
  fetchPage: (number: number) => Promise<NumberedPage<T>>,
  first = 1,
): List<T, NumberedPage<T>> {
  return new List(async function* () {
    for (let number = first; ; number++) {
      const page = await fetchPage(number);
      yield page;
      if (number >= page.pages || page.items.length === 0) return;
    }
  });
}

/** Return a list by cursors, from cursor `first` on. */
export function byCursor<T, P extends CursorPage<T> = CursorPage<T>>(
  fetchPage: (cursor: string | undefined) => Promise<P>,
  first?: string,
): List<T, P> {
  return new List(async function* () {
    const seen = new Set<string | undefined>();
    for (let cursor = first; !seen.has(cursor); ) {
      seen.add(cursor);
      const page = await fetchPage(cursor);
      yield page;
      if (!page.nextCursor) return;
      cursor = page.nextCursor;
    }
  });
}
