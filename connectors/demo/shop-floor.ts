import type { JsonObject } from '../../core/json.ts';
import type { Chance } from './random.ts';

/** One thing that happens in the shop, as the ingest connector takes it. */
export type ShopEvent =
  | { readonly kind: string; readonly operation: 'put'; readonly record: JsonObject }
  | { readonly kind: string; readonly operation: 'delete'; readonly key: string };

export interface ShopFloor {
  /** What happens next; what belongs together comes together, such as an order and the stock it takes. */
  next(): readonly ShopEvent[];
}

const productNames = [
  'Kettle',
  'Teapot',
  'Grinder',
  'Mug',
  'Tray',
  'Scale',
  'Filter',
  'Dripper',
  'Carafe',
  'Tin',
  'Spoon',
  'Whisk',
];
const firstNames = ['Ada', 'Bruno', 'Chiara', 'Dmitri', 'Eva', 'Farid', 'Grace', 'Hugo', 'Ines', 'Jonas', 'Kira', 'Luca'];
const lastNames = ['Moreau', 'Novak', 'Okafor', 'Petrov', 'Quist', 'Rossi', 'Silva', 'Tanaka', 'Urban', 'Vega', 'Weber', 'Young'];
const statuses = ['placed', 'paid', 'packed', 'shipped', 'delivered'];
const openOrdersMax = 50;
const usersMax = 500;

interface Product {
  readonly sku: string;
  readonly name: string;
  priceCents: number;
  quantity: number;
  listed: boolean;
}

interface Order {
  readonly orderId: string;
  readonly email: string;
  readonly totalCents: number;
  readonly lines: JsonObject[];
  status: number;
}

/** A small shop: it opens with its products and a few customers, then sells. `run` keeps the orders of each opening apart. */
export function createShopFloor(chance: Chance, run: string): ShopFloor {
  const products = productNames.map(
    (name, at): Product => ({
      sku: `SKU-${at + 1}`,
      name,
      priceCents: chance.between(300, 9_000),
      quantity: chance.between(20, 80),
      listed: true,
    }),
  );
  const users: JsonObject[] = [];
  const orders: Order[] = [];
  let ordersPlaced = 0;
  const opening: ShopEvent[][] = [
    ...products.map((product) => [listing(product), stock(product)]),
    ...firstNames.map(() => [newUser()]),
  ];

  return { next: () => opening.shift() ?? happening() };

  function happening(): readonly ShopEvent[] {
    const roll = chance.next();
    if (roll < 0.35) return placeOrder();
    if (roll < 0.7) return orders.length === 0 ? placeOrder() : advance(chance.between(0, orders.length - 1));
    if (roll < 0.82) return restock(chance.pick(products));
    if (roll < 0.9) return reprice(chance.pick(products));
    if (roll < 0.97) return users.length < usersMax ? [newUser()] : [movedUser()];
    return relist(chance.pick(products));
  }

  function placeOrder(): readonly ShopEvent[] {
    const product = chance.pick(products);
    const quantity = chance.between(1, 3);
    if (!product.listed || product.quantity < quantity) return restock(product);
    product.quantity -= quantity;
    ordersPlaced++;
    const lines = [{ sku: product.sku, quantity, price: euros(product.priceCents) }];
    const order: Order = {
      orderId: `${run}-${ordersPlaced}`,
      email: String(chance.pick(users).email),
      totalCents: product.priceCents * quantity,
      lines,
      status: 0,
    };
    orders.push(order);
    if (orders.length > openOrdersMax) orders.shift();
    return [orderState(order), stock(product)];
  }

  function advance(at: number): readonly ShopEvent[] {
    const order = orders[at]!;
    order.status++;
    if (order.status === statuses.length - 1) orders.splice(at, 1);
    return statuses[order.status] === 'paid' ? [orderState(order), payment(order)] : [orderState(order)];
  }

  function restock(product: Product): readonly ShopEvent[] {
    product.quantity += chance.between(5, 40);
    return [stock(product)];
  }

  function reprice(product: Product): readonly ShopEvent[] {
    product.priceCents = Math.max(100, Math.round(product.priceCents * (0.9 + chance.next() * 0.2)));
    return product.listed ? [listing(product)] : [];
  }

  /** Taken off the list, or put on it again. */
  function relist(product: Product): readonly ShopEvent[] {
    product.listed = !product.listed;
    return [product.listed ? listing(product) : { kind: 'products', operation: 'delete', key: product.sku }];
  }

  function newUser(): ShopEvent {
    const [first, last] = [chance.pick(firstNames), chance.pick(lastNames)];
    const email = `${first}.${last}.${users.length + 1}@shop.example`.toLowerCase();
    const user: JsonObject = { name: `${first} ${last}`, email };
    users.push(user);
    return put('users', user);
  }

  function movedUser(): ShopEvent {
    const user = chance.pick(users);
    user.phone = `+39 0${chance.between(10, 99)} ${chance.between(100_000, 999_999)}`;
    return put('users', { ...user });
  }
}

function listing(product: Product): ShopEvent {
  return put('products', { sku: product.sku, name: product.name, price: euros(product.priceCents), currency: 'EUR' });
}

function stock(product: Product): ShopEvent {
  return put('inventory', { sku: product.sku, quantity: product.quantity, location: 'main' });
}

function orderState(order: Order): ShopEvent {
  const { orderId, email, lines, totalCents } = order;
  return put('orders', { orderId, email, status: statuses[order.status]!, total: euros(totalCents), currency: 'EUR', lines });
}

function payment(order: Order): ShopEvent {
  return put('transactions', {
    transactionId: `${order.orderId}-payment`,
    orderId: order.orderId,
    amount: euros(order.totalCents),
    currency: 'EUR',
  });
}

function put(kind: string, record: JsonObject): ShopEvent {
  return { kind, operation: 'put', record };
}

/** Money as text: no digit of it is anybody's to round. */
function euros(cents: number): string {
  return (cents / 100).toFixed(2);
}
