import type { ProcessIdentity } from './process-identity.ts';

/** What a data directory remembers of the stack that lives in it. */
export interface StackMemory {
  owner?: ProcessIdentity;
  readonly ports: Record<string, number>;
  /** What was started here and not yet seen to end. */
  readonly services: Record<string, ProcessIdentity>;
  /** Folders that had to be placed elsewhere. */
  readonly places: Record<string, string>;
}

/** By hand: the supervisor lives as long as the stack, and a schema library would be a fifth of its memory. */
export function parseStackMemory(text: string): StackMemory {
  const { owner, ports, services, places } = fieldsOf(JSON.parse(text));
  return {
    ...(isIdentity(owner) ? { owner } : {}),
    ports: entriesOf(ports, (port) => typeof port === 'number'),
    services: entriesOf(services, isIdentity),
    places: entriesOf(places, (place) => typeof place === 'string'),
  };
}

/** What does not fit was not written by us, and is as good as forgotten. */
function entriesOf<A>(value: unknown, fits: (entry: unknown) => entry is A): Record<string, A> {
  const entries = Object.entries(fieldsOf(value)).filter((entry): entry is [string, A] => fits(entry[1]));
  return Object.fromEntries(entries);
}

function isIdentity(value: unknown): value is ProcessIdentity {
  const { pid, startedAt } = fieldsOf(value);
  return typeof pid === 'number' && typeof startedAt === 'string';
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
