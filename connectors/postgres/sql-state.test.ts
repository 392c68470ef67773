import { expect, test } from 'vitest';
import { NotConnected } from './postgres-pool.ts';
import { asSourceError } from './source-fault.ts';
import { asTargetError } from './target-fault.ts';

function denied(message: string): Error {
  return Object.assign(new Error(message), { code: '42501' });
}

test.each([
  ['public.a', denied('permission denied for table a'), 'public.a: permission denied for table a; GRANT SELECT ON public.a TO '],
  ['sales.a', denied('permission denied for schema sales'), '; GRANT USAGE ON SCHEMA "sales" TO the user'],
  [null, denied('permission denied for database "shop"'), '; GRANT CONNECT ON DATABASE "shop" TO the user'],
  [
    'public.a',
    new NotConnected(denied('permission denied for database "shop"')),
    '; GRANT CONNECT ON DATABASE "shop" TO the user',
  ],
])('who asks %s and may not is told what to grant: %s', (table, error, advice) => {
  for (const { message } of [asSourceError(error, table), asTargetError(error, table)])
    expect(message.replace('SELECT, INSERT, UPDATE, DELETE', 'SELECT')).toContain(advice);
});

test('of a table that was not asked nothing is advised', () => {
  for (const tell of [asSourceError, asTargetError]) {
    const { message } = tell(denied('must be superuser to look at everything'), null);
    expect(message).toBe('PostgreSQL: must be superuser to look at everything');
    expect(tell(new NotConnected(new Error('ECONNREFUSED')), 'public.a').message).toBe('PostgreSQL: ECONNREFUSED');
  }
});
