/** camelCase here, snake_case on the wire. */

/** On the wire: values whose inside is the writer's own, or is keyed by names. It is left as it is, both ways. */
const UNTOUCHED = new Set([
  "metadata", "data", "parameters", "filter", "made_by",
  "measures", "differences", "units", "shares_before", "shares_after", "erased", "imported", "skipped",
]); // prettier-ignore

/** Return `value` with its names as the server writes them; what is undefined is left out. */
export function toWire(value: unknown): unknown {
  return renamed(value, snake);
}

/** Return what the server answered with its names in camelCase. */
export function fromWire(value: unknown): unknown {
  return renamed(value, camel);
}

/** Return `sessionId` as `session_id`. */
export function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function camel(name: string): string {
  return name.replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename));
  if (!isPlain(value)) return value;
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([name, inner]) => [rename(name), UNTOUCHED.has(snake(name)) ? inner : renamed(inner, rename)]);
  return Object.fromEntries(entries);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}
