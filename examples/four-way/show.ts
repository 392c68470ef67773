import type { Product, Side } from './side.ts';

const width = 24;

/** The four side by side, a product in three lines: name, what is counted, description. Without `only` all products. */
export async function show(sides: readonly Side[], only?: ReadonlySet<string>): Promise<string> {
  const all = await Promise.all(sides.map((side) => side.products()));
  const skus = [...(only ?? new Set(all.flatMap((products) => products.map(({ sku }) => sku))))].sort();
  const lines = [
    line(
      '',
      sides.map(({ name }) => name.toUpperCase()),
    ),
  ];
  for (const sku of skus) {
    const cells = all.map((products) => cellOf(products.find((product) => product.sku === sku)));
    for (const [at, label] of [sku, '', ''].entries()) {
      lines.push(
        line(
          label,
          cells.map((cell) => cell[at]!),
        ),
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

function cellOf(product: Product | undefined): readonly [string, string, string] {
  if (product === undefined) return ['—', '', ''];
  const { name, price, stock, status, description, slug } = product;
  return [
    name,
    `${price}  ${stock} pcs  ${status}`,
    slug === undefined || slug === '' ? description : `${description} /${slug}/`,
  ];
}

function line(label: string, cells: readonly string[]): string {
  return [label.padEnd(9), ...cells.map((cell) => short(cell).padEnd(width))].join(' ').trimEnd();
}

function short(text: string): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
