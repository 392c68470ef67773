import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import { makeTestDirectory } from '../../stack/test-stack.ts';
import { command, hasRuntimeFile, type StartedSyncline, startSyncline, survivorsOf } from './started-syncline.ts';

const testMsMax = 240_000;
const patienceMs = 30_000;
const folders: string[] = [];
const started: StartedSyncline[] = [];

async function start(folder: string): Promise<StartedSyncline> {
  const syncline = await startSyncline(folder);
  started.push(syncline);
  return syncline;
}

function newFolder(): string {
  const folder = makeTestDirectory();
  folders.push(folder);
  return folder;
}

afterAll(async () => {
  for (const syncline of started) syncline.signal('SIGKILL');
  await Promise.all(started.map((syncline) => syncline.ended));
  await sleep(1_000);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}, 60_000);

interface State {
  readonly entityId: string;
  readonly sourceType: string;
}

async function statesOf(syncline: StartedSyncline, query: string): Promise<readonly State[]> {
  const { status, body } = await syncline.get(`/api/sync-state?${query}`);
  expect(status).toBe(200);
  return (body as { items: readonly State[] }).items;
}

async function postUser(syncline: StartedSyncline, email: string): Promise<void> {
  const response = await fetch(`${syncline.runtime.api}/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Ada', email }),
  });
  expect(response.status).toBe(200);
  const untilMs = Date.now() + patienceMs;
  while ((await statesOf(syncline, `entity_id=${encodeURIComponent(`users:${email}`)}`)).length < 2) {
    if (Date.now() > untilMs) throw new Error(`${email} never came to the tables`);
    await sleep(100);
  }
}

it(
  'comes up with its demo, tells where everything is, ends at Ctrl-C with all it started, and finds its data again',
  async () => {
    const folder = newFolder();
    const first = await start(folder);
    expect((await fetch(`${first.runtime.api}/ready`)).status).toBe(200);
    expect(statSync(first.runtime.keyFile).mode & 0o777).toBe(0o600);

    const untilMs = Date.now() + patienceMs;
    while ((await statesOf(first, 'source=GOLDEN&limit=3')).length < 3 && Date.now() < untilMs) await sleep(200);
    expect((await statesOf(first, 'source=GOLDEN&limit=3')).length, 'demo records in sync_state').toBe(3);
    await postUser(first, 'kept@example.com');

    const status = JSON.parse(await command('status', '--json', '--data-dir', folder));
    const { api, kafka, postgres, redis } = first.runtime;
    expect(status).toMatchObject({ ready: true, addresses: { api, kafka, postgres, redis }, keyFile: first.runtime.keyFile });
    expect(new Set(status.roles.map(({ role }: { role: string }) => role))).toEqual(
      new Set(['processor', 'sync-manager', 'api', 'demo']),
    );
    expect(status.accounting).toMatchObject({ balanced: true });
    expect(status.lag).toEqual({ processor: expect.any(Number), syncManager: expect.any(Number) });

    const family = first.family();
    expect(family.length, 'four roles and three services').toBeGreaterThanOrEqual(7);
    first.signal('SIGINT');
    expect(await first.ended).toBe(0);
    expect(await survivorsOf(family)).toEqual([]);
    expect(hasRuntimeFile(folder)).toBe(false);

    const second = await start(folder);
    const kept = await statesOf(second, `entity_id=${encodeURIComponent('users:kept@example.com')}`);
    expect(kept.map((row) => row.sourceType).sort()).toEqual(['GOLDEN', 'SHOP']);
    expect(second.adminKey).toBe(first.adminKey);
    second.signal('SIGTERM');
    expect(await second.ended).toBe(0);
  },
  testMsMax,
);

it(
  'runs twice side by side, each with its own data, and the end of one does not touch the other',
  async () => {
    const [left, right] = await Promise.all([start(newFolder()), start(newFolder())]);
    await Promise.all([postUser(left, 'left@example.com'), postUser(right, 'right@example.com')]);
    const { api, kafka, postgres, redis } = left.runtime;
    for (const [part, address] of Object.entries({ api, kafka, postgres, redis })) {
      expect(right.runtime[part as 'api'], part).not.toBe(address);
    }
    expect(await statesOf(left, `entity_id=${encodeURIComponent('users:right@example.com')}`)).toEqual([]);

    const family = left.family();
    left.signal('SIGINT');
    expect(await left.ended).toBe(0);
    expect(await survivorsOf(family)).toEqual([]);
    await postUser(right, 'after@example.com');
    expect((await fetch(`${right.runtime.api}/ready`)).status).toBe(200);
    right.signal('SIGINT');
    expect(await right.ended).toBe(0);
  },
  testMsMax,
);

it(
  'leaves nothing running when its supervisor is killed, and starts again on the same data',
  async () => {
    const folder = newFolder();
    const killed = await start(folder);
    await postUser(killed, 'before@example.com');
    const family = killed.family();
    killed.signal('SIGKILL');
    expect(await killed.ended).toBe('SIGKILL');
    expect(await survivorsOf(family)).toEqual([]);

    const again = await start(folder);
    expect(await statesOf(again, `entity_id=${encodeURIComponent('users:before@example.com')}`)).toHaveLength(2);
    await postUser(again, 'after@example.com');
    again.signal('SIGINT');
    expect(await again.ended).toBe(0);
  },
  testMsMax,
);

it(
  'starts a service that died again on its data, and takes up the work that waited for it',
  async () => {
    const syncline = await start(newFolder());
    await postUser(syncline, 'before@example.com');
    for (const service of ['redis', 'postgres'] as const) {
      const { pid } = JSON.parse(readFileSync(join(syncline.dataDir, 'stack.json'), 'utf8')).services[service];
      process.kill(pid, 'SIGKILL');
      const untilMs = Date.now() + patienceMs;
      while (!syncline.output.includes(`${service} runs again`)) {
        if (Date.now() > untilMs) throw new Error(`${service} was not started again:\n${syncline.output}`);
        await sleep(100);
      }
    }
    while (!(await fetch(`${syncline.runtime.api}/ready`)).ok) await sleep(200);
    await postUser(syncline, 'after@example.com');
    expect(await statesOf(syncline, `entity_id=${encodeURIComponent('users:before@example.com')}`)).toHaveLength(2);
    const family = syncline.family();
    syncline.signal('SIGINT');
    expect(await syncline.ended).toBe(0);
    expect(await survivorsOf(family)).toEqual([]);
  },
  testMsMax,
);
