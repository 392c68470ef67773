import { expect, test } from 'vitest';
import { databaseAddress, postgresAddress } from './address.ts';

const expected = 'mysql://user:password@host:3306/database';
const address = databaseAddress(['mysql', 'mariadb'], expected);

test.each([
  ['mysql://shop:p%40ss@db:3306/shop', []],
  ['mariadb://[::1]/shop', []],
  ['mysql://db', [`the database is missing: ${expected}`]],
  ['mysql://db/', [`the database is missing: ${expected}`]],
  ['http://db', [`expected ${expected}`]],
  ['db', [`expected ${expected}`]],
  ['mysql://db:70000/shop', [`the port 70000 is above 65535: expected ${expected}`]],
])('of an address it is said once what is wrong: %s', (text, problems) => {
  expect(address.safeParse(text).error?.issues.map(({ message }) => message) ?? []).toEqual(problems);
});

test('an address of PostgreSQL may leave everything out but the protocol', () => {
  expect(postgresAddress.safeParse('postgresql:///shop').success).toBe(true);
  expect(postgresAddress.safeParse('mysql://db/shop').success).toBe(false);
});
