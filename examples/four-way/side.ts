import type pg from 'pg';
import type { MysqlPool } from '../../connectors/mysql/mysql-pool.ts';

/** A product as everybody would read it, whatever the system calls its columns. */
export interface Product {
  readonly sku: string;
  readonly name: string;
  readonly description: string;
  /** With two digits behind the point. */
  readonly price: string;
  readonly stock: number;
  readonly status: string;
  /** Only where the system knows one. */
  readonly slug?: string;
}

/** One of the four systems, looked at past Syncline. */
export interface Side {
  readonly name: string;
  products(): Promise<Product[]>;
}

export function supabaseSide(pool: pg.Pool): Side {
  return tableSide('supabase', pool, 'SELECT sku, name, description, price, stock, status FROM products ORDER BY sku');
}

export function postgresSide(pool: pg.Pool): Side {
  return tableSide(
    'postgres',
    pool,
    `SELECT code AS sku, title AS name, note AS description, price_cents / 100.0 AS price, quantity AS stock,
       CASE state WHEN 'A' THEN 'active' WHEN 'D' THEN 'draft' WHEN 'X' THEN 'archived' END AS status
     FROM shop.article ORDER BY code`,
  );
}

export function neonSide(pool: pg.Pool): Side {
  return tableSide(
    'neon',
    pool,
    `SELECT sku, label AS name, body AS description, amount AS price, on_hand AS stock, coalesce(slug, '') AS slug,
       CASE visibility WHEN 'live' THEN 'active' WHEN 'preparing' THEN 'draft' WHEN 'retired' THEN 'archived' END AS status
     FROM items ORDER BY sku`,
  );
}

export function wordpressSide(pool: MysqlPool): Side {
  const meta = (key: string) =>
    `(SELECT meta_value FROM wp_postmeta WHERE post_id = p.ID AND meta_key = '${key}' ORDER BY meta_id LIMIT 1)`;
  const text = `SELECT k.meta_value, p.post_title, p.post_content, ${meta('_price')}, ${meta('_stock')}, p.post_status, p.post_name
    FROM wp_posts AS p JOIN wp_postmeta AS k ON k.post_id = p.ID AND k.meta_key = '_sku'
    WHERE p.post_type = 'page' AND p.post_status IN ('publish', 'draft', 'private') ORDER BY k.meta_value`;
  const statuses: Record<string, string> = { publish: 'active', draft: 'draft', private: 'archived' };
  return {
    name: 'wordpress',
    async products() {
      const rows = await pool.use((session) => session.rows(text));
      return rows.map((cells) => {
        const [sku, title, content, price, stock, status, slug] = cells.map((cell) => cell?.toString('utf8') ?? '');
        const [name, description] = [plain(title!), plain(content!)];
        return {
          sku: sku!,
          name,
          description,
          price: money(price!),
          stock: Number(stock),
          status: statuses[status!]!,
          slug: slug!,
        };
      });
    },
  };
}

/** One thing that they do not all say alike. */
export interface Disagreement {
  readonly sku: string;
  readonly what: string;
}

/** Nothing where all are equal. A slug counts only among those that know one. */
export function disagreements(sides: readonly (readonly Product[])[]): Disagreement[] {
  const found: Disagreement[] = [];
  for (const sku of new Set(sides.flatMap((products) => products.map((product) => product.sku)))) {
    const products = sides.map((side) => side.find((product) => product.sku === sku));
    if (products.includes(undefined)) {
      found.push({ sku, what: 'is missing somewhere' });
      continue;
    }
    for (const field of ['name', 'description', 'price', 'stock', 'status', 'slug'] as const) {
      const values = new Set(products.map((product) => product![field]).filter((value) => value !== undefined));
      if (values.size > 1) found.push({ sku, what: `${field} is ${[...values].join(' | ')}` });
    }
  }
  return found;
}

function tableSide(name: string, pool: pg.Pool, text: string): Side {
  return {
    name,
    async products() {
      const { rows } = await pool.query<Omit<Product, 'description'> & { description: string | null }>(text);
      return rows.map((row) => ({ ...row, description: row.description ?? '', price: money(row.price) }));
    },
  };
}

function money(text: string): string {
  return Number(text).toFixed(2);
}

function plain(html: string): string {
  return html.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}
