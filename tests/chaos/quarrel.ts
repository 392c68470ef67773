import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { rawChange, rawMessage } from '../e2e/raw-topic.ts';
import type { Random } from '../simulation/random.ts';

export interface Product {
  readonly sku: string;
  readonly name: string;
  readonly price: number;
  readonly stock: number;
}

interface Said {
  readonly product: Product;
  readonly atMs: number;
}

export const quarrellers = ['shop', 'erp'] as const;
type Quarreller = (typeof quarrellers)[number];

const firstStock = 100;
const startMs = Date.UTC(2026, 5, 1);

/**
 * Two sources that change the same products at the same time, and what must come of it: computed from what was sent alone,
 * field by field, with nothing of the engine. Names go by rank, prices by time, stocks are counted.
 */
export class Quarrel {
  readonly #random: Random;
  readonly #said: Readonly<Record<Quarreller, Map<string, Said[]>>> = { shop: new Map(), erp: new Map() };
  readonly #skus: readonly string[];
  #clock = 0;
  #sent = 0;
  #stopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(random: Random, skus: number) {
    this.#random = random;
    this.#skus = Array.from({ length: skus }, (_, at) => `P-${at}`);
  }

  get sent(): number {
    return this.#sent;
  }

  async start(kafka: string, prefix: string, perSecond: number): Promise<void> {
    const client = new kafkajs.Kafka({ brokers: [kafka], clientId: 'quarrel', logLevel: kafkajs.logLevel.NOTHING });
    const producer = client.producer({ allowAutoTopicCreation: false, idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const send = async (source: Quarreller, products: readonly Product[]) => {
      const messages = products.map((product) => this.#message(source, product));
      await producer.send({ topic: `${prefix}source.${source}.products`, acks: -1, messages });
      this.#sent += messages.length;
    };
    const found = this.#skus.map((sku) => ({ sku, name: 'Lamp', price: 10, stock: firstStock }));
    for (const source of quarrellers) await send(source, found);
    const run = async () => {
      const tickMs = 50;
      while (!this.#stopping) {
        for (const source of quarrellers) {
          const count = Math.ceil((perSecond * tickMs) / 1_000 / quarrellers.length);
          const skus = new Set(Array.from({ length: count }, () => this.#random.pick(this.#skus)));
          await send(
            source,
            [...skus].map((sku) => this.#changed(source, sku)),
          );
        }
        await sleep(tickMs);
      }
      await producer.disconnect();
    };
    this.#running = run();
    this.#running.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** What every product must be in the end, by its key. */
  outcome(): Product[] {
    return this.#skus.map((sku) => {
      const [erp, shop] = [this.#saidOf('erp', sku), this.#saidOf('shop', sku)];
      const named = lastTouch(erp, 'name') ?? lastTouch(shop, 'name');
      const prices = [lastTouch(erp, 'price'), lastTouch(shop, 'price')].filter((said) => said !== undefined);
      prices.sort((left, right) => right.atMs - left.atMs);
      const sold = [erp, shop].reduce((sum, said) => sum + said.at(-1)!.product.stock - firstStock, 0);
      return {
        sku,
        name: (named ?? erp[0]!).product.name,
        price: (prices[0] ?? erp[0]!).product.price,
        stock: firstStock + sold,
      };
    });
  }

  lastSaid(source: Quarreller): Product[] {
    return this.#skus.map((sku) => this.#saidOf(source, sku).at(-1)!.product);
  }

  /** Keys and fields that both changed and do not agree on: one of them lost, and the log must say so. */
  contested(): { sku: string; field: 'name' | 'price' }[] {
    return this.#skus.flatMap((sku) =>
      (['name', 'price'] as const)
        .filter((field) => {
          const [erp, shop] = [lastTouch(this.#saidOf('erp', sku), field), lastTouch(this.#saidOf('shop', sku), field)];
          return erp !== undefined && shop !== undefined && erp.product[field] !== shop.product[field];
        })
        .map((field) => ({ sku, field })),
    );
  }

  #saidOf(source: Quarreller, sku: string): Said[] {
    return this.#said[source].get(sku) ?? [];
  }

  #changed(source: Quarreller, sku: string): Product {
    const { product } = this.#saidOf(source, sku).at(-1)!;
    const roll = this.#random.below(10);
    if (roll < 6) return { ...product, stock: product.stock - this.#random.between(1, 3) };
    if (roll < 8) return { ...product, price: this.#random.between(5, 50) };
    return { ...product, name: `Lamp ${this.#random.between(1, 9)}` };
  }

  #message(source: Quarreller, product: Product) {
    const atMs = startMs + ++this.#clock;
    const { sku } = product;
    this.#said[source].set(sku, [...this.#saidOf(source, sku), { product, atMs }]);
    const more = { source, occurredAt: new Date(atMs).toISOString() };
    return rawMessage(rawChange('products', sku, this.#clock, product, more));
  }
}

/** Where a source last changed a field, rather than being found with it. */
function lastTouch(said: readonly Said[], field: 'name' | 'price'): Said | undefined {
  const at = said.findLastIndex(({ product }, index) => index > 0 && product[field] !== said[index - 1]!.product[field]);
  return at < 0 ? undefined : said[at];
}
