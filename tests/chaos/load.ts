import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Message } from 'kafkajs';
import type { Random } from '../simulation/random.ts';
import { type Kind, kinds, source } from './topics.ts';

export interface LoadOptions {
  readonly kafka: string;
  readonly prefix: string;
  readonly random: Random;
  readonly recordsPerSecond?: number;
  readonly keys?: number;
  /** Of a thousand records this many are poison. */
  readonly poisonPerMille?: number;
}

export interface Load {
  readonly sent: number;
  /** Resolves when everything it began is acknowledged. */
  pause(): Promise<void>;
  resume(): void;
  /** Gives this title to every one of some products that nothing else touches. */
  retitle(title: string): Promise<void>;
  /** Ends it and waits until everything it began is acknowledged. */
  stop(): Promise<void>;
}

const tickMs = 50;
const retitledProducts = 40;

/**
 * Writes raw records in the background: values from small sets, so that a key comes back to what it was; deletes,
 * repetitions, changes that come late, and poison. What the broker did not acknowledge is sent again until it is.
 */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const { recordsPerSecond = 400 } = options;
  const client = new kafkajs.Kafka({
    brokers: [options.kafka],
    clientId: 'chaos-load',
    logLevel: kafkajs.logLevel.NOTHING,
    requestTimeout: 5_000,
    retry: { retries: Number.MAX_SAFE_INTEGER, initialRetryTime: 100, maxRetryTime: 1_000 },
  });
  const producer = client.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  const shop = new Shop(options);
  let stopping = false;
  let sent = 0;
  const write = async (written: readonly Written[]) => {
    for (const kind of kinds) {
      const messages = written.filter((record) => record.kind === kind).map((record) => record.message);
      if (messages.length === 0) continue;
      await producer.send({ topic: `${options.prefix}source.${source}.${kind}`, acks: -1, messages });
      sent += messages.length;
    }
  };
  const run = async () => {
    let due = 0;
    while (!stopping) {
      due += (recordsPerSecond * tickMs) / 1_000;
      const written = Array.from({ length: Math.floor(due) }, () => shop.next());
      due -= written.length;
      await write(written);
      await sleep(tickMs);
    }
  };
  let running = run();
  running.catch(() => undefined);
  return {
    get sent() {
      return sent;
    },
    async pause() {
      stopping = true;
      await running;
    },
    resume() {
      stopping = false;
      running = run();
      running.catch(() => undefined);
    },
    retitle: (title) => write(shop.retitled(title)),
    async stop() {
      stopping = true;
      await running;
      await producer.disconnect();
    },
  };
}

interface Written {
  readonly kind: Kind;
  readonly message: Message;
}

interface Past {
  readonly message: Message;
  readonly at: number;
  readonly changed: boolean;
  readonly value: string;
}

class Shop {
  readonly #random: Random;
  readonly #keys: number;
  readonly #poisonPerMille: number;
  readonly #past = new Map<string, Past[]>();
  #clock = 0;

  constructor({ random, keys = 30, poisonPerMille = 10 }: LoadOptions) {
    this.#random = random;
    this.#keys = keys;
    this.#poisonPerMille = poisonPerMille;
  }

  next(): Written {
    const kind = this.#random.pick(kinds);
    const key = this.#key(kind);
    const roll = this.#random.below(1_000);
    if (roll < this.#poisonPerMille) return { kind, message: this.#poison(kind, key) };
    const past = this.#past.get(`${kind}/${key}`) ?? [];
    if (roll < 80 && past.length > 0) return { kind, message: this.#random.pick(past.slice(-6)).message };
    if (roll < 110) {
      const late = this.#late(kind, key, past);
      if (late !== undefined) return { kind, message: late };
    }
    return { kind, message: this.#change(kind, key, past) };
  }

  retitled(title: string): Written[] {
    return Array.from({ length: retitledProducts }, (_, number) => {
      this.#clock += 2;
      const key = `TITLED-${number}`;
      const data = { sku: key, title, quantity: number, price: '1' };
      return { kind: 'products', message: messageOf(this.#event('products', key, this.#clock, data)) };
    });
  }

  /** Most keys come again and again. What is lost of one that never comes again stays lost, and shows. */
  #key(kind: Kind): string {
    const name = kind === 'users' ? 'user' : 'SKU';
    return this.#random.chance(0.2) ? `${name}-once-${this.#clock}` : `${name}-${this.#random.below(this.#keys)}`;
  }

  #change(kind: Kind, key: string, past: Past[]): Message {
    // Even numbers are for what comes in time: a late change fits between two of them.
    this.#clock += 2;
    const deleted = this.#random.chance(0.07);
    const data = deleted ? null : this.#record(kind, key);
    const value = JSON.stringify(data);
    const message = messageOf(this.#event(kind, key, this.#clock, data));
    past.push({ message, at: this.#clock, changed: past.at(-1)?.value !== value, value });
    this.#past.set(`${kind}/${key}`, past.slice(-8));
    return message;
  }

  /** A change that comes for the first time after a newer one, which is known to have changed the record. */
  #late(kind: Kind, key: string, past: Past[]): Message | undefined {
    const newest = past.at(-1);
    if (newest === undefined || !newest.changed) return undefined;
    return messageOf(this.#event(kind, key, newest.at - 1, this.#record(kind, key)));
  }

  #record(kind: Kind, key: string): Record<string, unknown> {
    if (kind === 'users') return { email: key, name: this.#random.pick(['Ada', 'Björn', 'Ç𝄞']), tags: [this.#random.below(2)] };
    return { sku: key, title: this.#random.pick(['Lamp', 'Chair']), quantity: this.#random.below(3), price: '12.50' };
  }

  #event(kind: Kind, key: string, at: number, data: Record<string, unknown> | null): Record<string, unknown> {
    return {
      eventId: randomUUID(),
      source,
      kind,
      key,
      operation: data === null ? 'delete' : 'update',
      position: `00000001:${at.toString(16).padStart(16, '0')}`,
      occurredAt: new Date().toISOString(),
      correlationId: randomUUID(),
      data,
    };
  }

  #poison(kind: Kind, key: string): Message {
    this.#clock += 2;
    const event = this.#event(kind, key, this.#clock, this.#record(kind, key));
    const of: readonly (() => Message)[] = [
      () => ({ key, value: '{"eventId":' }),
      () => ({ key, value: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) }),
      () => ({ key, value: null }),
      () => ({ key, value: '[]' }),
      () => messageOf({ ...event, position: undefined }, key),
      () => messageOf({ ...event, key: 'another' }, key),
      () => messageOf({ ...event, data: { ...this.#record(kind, key), title: 'a\0b', name: 'a\0b' } }),
      () => messageOf({ ...event, data: { ...this.#record(kind, key), title: '\ud800', name: '\udc00' } }),
      () => messageOf({ ...event, key: `${key}${'x'.repeat(100)}` }),
      () => messageOf({ ...event, data: { title: nested(40), name: nested(40) } }),
      // Passes the processor; PostgreSQL refuses it. Equal to what stands there it would be unchanged, and no poison.
      () => messageOf({ ...event, correlationId: 'c'.repeat(200), data: { title: `T${this.#clock}`, name: `N${this.#clock}` } }),
    ];
    return this.#random.pick(of)();
  }
}

function messageOf(event: Record<string, unknown>, key = event.key as string): Message {
  return { key, value: JSON.stringify(event) };
}

function nested(levels: number): unknown {
  return levels === 0 ? 1 : [nested(levels - 1)];
}
