import { setTimeout as sleep } from 'node:timers/promises';
import { show } from './show.ts';
import { type Disagreement, disagreements } from './side.ts';
import { type FourSystems, makePage } from './systems.ts';

export interface TourPlace {
  readonly systems: FourSystems;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
  /** Answers of the API, in JSON. */
  readonly ask: (path: string) => Promise<unknown>;
}

interface Conflicts {
  readonly items: readonly {
    readonly entityId: string;
    readonly conflictType: string;
    readonly resolution: string;
    readonly details: unknown;
  }[];
}

const lookMs = 250;
const patienceMs = 120_000;

/** What is there before Syncline looks: the four have one product in common, and do not agree about it. */
export async function fillSystems({ supabase, postgres, neon, wordpress }: FourSystems): Promise<void> {
  await supabase.query(`INSERT INTO products (sku, name, description, price, stock) VALUES
    ('LAMP-1', 'Desk lamp', 'Warm light', 49.90, 12), ('CHAIR-1', 'Chair', 'Oak, four legs', 80, 4)`);
  await postgres.query(`INSERT INTO shop.article VALUES
    ('LAMP-1', 'Lamp', 'Warm light', 4990, 12, 'A'), ('SHELF-1', 'Shelf', 'For books & boxes', 12900, 3, 'D')`);
  await neon.query(
    `INSERT INTO items (sku, label, body, amount, on_hand) VALUES ('DESK-1', 'Writing desk', 'Walnut', 340.5000, 1)`,
  );
  const lamp = { sku: 'LAMP-1', name: 'Desk lamp', content: 'Warm light, < 5 W', price: '52.00', stock: 12 };
  await makePage(wordpress, lamp);
}

/** Edits each of the four, and shows how they come to agree. */
export async function tour(place: TourPlace): Promise<void> {
  const { systems, say } = place;
  const { supabase, postgres, neon, wordpress } = systems;
  await agreed(
    place,
    'What they hold by now: each lacked what the others had. Where they differed the master won, or WordPress for texts',
  );

  await supabase.query(`UPDATE products SET price = 45 WHERE sku = 'LAMP-1'`);
  await postgres.query(`UPDATE shop.article SET quantity = quantity - 2 WHERE code = 'LAMP-1'`);
  await neon.query(`UPDATE items SET on_hand = on_hand - 1 WHERE sku = 'LAMP-1'`);
  await wordpress.php(`$post = get_posts(['post_type' => 'page', 'title' => 'Desk lamp'])[0];
    wp_update_post(['ID' => $post->ID, 'post_content' => 'Warm light. Now with a switch.']);`);
  await agreed(place, 'Supabase changed the price of the lamp, PostgreSQL sold two, Neon sold one, WordPress wrote another text');

  await Promise.all([
    supabase.query(`UPDATE products SET name = 'Oak chair' WHERE sku = 'CHAIR-1'`),
    neon.query(`UPDATE items SET label = 'Chair of oak' WHERE sku = 'CHAIR-1'`),
  ]);
  await agreed(place, 'Supabase and Neon named the chair at once: the master won');
  const { items } = (await place.ask('/api/conflicts')) as Conflicts;
  for (const { entityId, conflictType, resolution } of items) say(`  conflict_log: ${entityId} ${conflictType}, ${resolution}\n`);

  const stool = { sku: 'STOOL-1', name: 'Bar stool', content: 'Steel', price: '35', stock: 9 };
  await makePage(wordpress, stool);
  await neon.query(`DELETE FROM items WHERE sku = 'DESK-1'`);
  await agreed(place, 'A page was made in WordPress, and Neon gave up the desk');
}

/** Shows the four whenever they have come to agree on something new. */
export async function watch(place: TourPlace): Promise<void> {
  let last = await show(place.systems.sides);
  for (;;) {
    await sleep(lookMs, undefined, { signal: place.signal });
    const now = await show(place.systems.sides);
    if (now === last || (await openQuestions(place.systems)).length > 0) continue;
    place.say(`\n${now}`);
    last = now;
  }
}

/** Shows what they do not agree about, and the same when they do. */
async function agreed({ systems, say, signal }: TourPlace, title: string): Promise<void> {
  const beganMs = Date.now();
  let open = await openQuestions(systems);
  const concerned = new Set(open.map(({ sku }) => sku));
  say(`\n${title}\n\n${await show(systems.sides, concerned)}`);
  for (; open.length > 0; open = await openQuestions(systems)) {
    if (Date.now() - beganMs > patienceMs)
      throw new Error(`they do not agree: ${open.map(({ sku, what }) => `${sku} ${what}`).join('; ')}`);
    for (const { sku } of open) concerned.add(sku);
    await sleep(lookMs, undefined, { signal });
  }
  say(`\nAll four are equal after ${((Date.now() - beganMs) / 1000).toFixed(1)} s\n\n${await show(systems.sides, concerned)}`);
}

async function openQuestions({ sides }: FourSystems): Promise<Disagreement[]> {
  return disagreements(await Promise.all(sides.map((side) => side.products())));
}
