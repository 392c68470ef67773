import { expect, test } from 'vitest';
import { committed, type PooledSession, SessionPool } from './session-pool.ts';

class FakeSession implements PooledSession {
  isBroken = false;
  isEnded = false;
}

function pool(sessionsMax: number, open: () => Promise<FakeSession> = async () => new FakeSession()) {
  const made: FakeSession[] = [];
  const sessions = new SessionPool<FakeSession>(
    {
      async open() {
        const session = await open();
        made.push(session);
        return session;
      },
      async end(session) {
        session.isEnded = true;
      },
    },
    sessionsMax,
  );
  return { made, sessions };
}

test('no more sessions work at once than there may be, and who waits is served', async () => {
  const { made, sessions } = pool(2);
  let [now, most] = [0, 0];
  const work = async () => {
    most = Math.max(most, ++now);
    await new Promise(setImmediate);
    now--;
  };
  await Promise.all(Array.from({ length: 9 }, () => sessions.use(work)));
  expect([most, made.length]).toEqual([2, 2]);
  await sessions.close();
  expect(made.map(({ isEnded }) => isEnded)).toEqual([true, true]);
});

test('a session is used again after work that failed, unless it broke', async () => {
  const { made, sessions } = pool(1);
  const fail = (session: FakeSession, isBroken: boolean) => {
    session.isBroken = isBroken;
    throw new Error('no');
  };
  await expect(sessions.use(async (session) => fail(session, false))).rejects.toThrow('no');
  await sessions.use(async (session) => expect(session).toBe(made[0]));
  await expect(sessions.use(async (session) => fail(session, true))).rejects.toThrow('no');
  await sessions.use(async (session) => expect(session).toBe(made[1]));
  made[1]!.isBroken = true;
  await sessions.use(async (session) => expect(session).toBe(made[2]));
});

test('where no session can be opened, who comes next tries again', async () => {
  let isOut = true;
  const { sessions } = pool(1, async () => {
    if (isOut) throw new Error('out');
    return new FakeSession();
  });
  const tries = [0, 1].map(() => sessions.use(async () => 'served'));
  await expect(tries[0]).rejects.toThrow('out');
  await expect(tries[1]).rejects.toThrow('out');
  isOut = false;
  expect(await sessions.use(async () => 'served')).toBe('served');
});

test('work that fails is rolled back, and so is what cannot be committed', async () => {
  const deeds: string[] = [];
  const transaction = {
    async commit() {
      deeds.push('commit');
      if (deeds.length > 1) throw new Error('conflict');
    },
    async rollback() {
      deeds.push('rollback');
    },
  };
  expect(await committed(transaction, async () => 7)).toBe(7);
  await expect(committed(transaction, async () => 7)).rejects.toThrow('conflict');
  await expect(committed(transaction, () => Promise.reject(new Error('work')))).rejects.toThrow('work');
  expect(deeds).toEqual(['commit', 'commit', 'rollback', 'rollback']);
});
