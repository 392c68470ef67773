import { describeEventLog } from '../../tests/contracts/event-log.ts';
import { describeIdentityStore } from '../../tests/contracts/identity-store.ts';
import { describeStageLedger } from '../../tests/contracts/stage-ledger.ts';
import { describeStateCache } from '../../tests/contracts/state-cache.ts';
import { describeSyncStore } from '../../tests/contracts/sync-store.ts';
import { MemoryEventLog } from './event-log.ts';
import { BindingRows, MemoryIdentityStore } from './identity-store.ts';
import { LogStore } from './log-store.ts';
import { partitionName } from './pace.ts';
import { LedgerRows, MemoryStageLedger } from './stage-ledger.ts';
import { CacheServer, MemoryStateCache } from './state-cache.ts';
import { SyncRows } from './sync-rows.ts';
import { MemorySyncStore } from './sync-store.ts';

describeEventLog('the memory log', async () => {
  const store = new LogStore(() => Date.now());
  let topics = 0;
  return {
    log: new MemoryEventLog(store),
    createTopic: async (partitions) => {
      const topic = `topic-${++topics}`;
      store.createTopic(topic, partitions);
      return topic;
    },
    close: async () => {},
  };
});

describeStateCache('the memory cache', async () => {
  const server = new CacheServer();
  return {
    cache: new MemoryStateCache(server),
    flush: async () => server.flush(),
    restart: async () => server.restart(),
    snapshot: async () => {
      const snapshot = server.snapshot();
      return async () => server.restore(snapshot);
    },
    close: async () => {},
  };
});

describeStageLedger('the memory ledger', async () => {
  const syncRows = new SyncRows();
  const rows = new LedgerRows(syncRows.refused);
  return {
    ledger: new MemoryStageLedger(rows, (origin, type, claim) => syncRows.proves(origin, type, claim)),
    store: new MemorySyncStore(syncRows, { nowMs: () => Date.UTC(2026, 0, 1) }),
    letter: async (id, status) => {
      if (status !== 'parked') syncRows.refused.close(id);
    },
    counts: async (ref) => {
      const { forwarded, stopped } = rows.countsOf(ref);
      return { forwarded, stopped: Object.fromEntries(stopped) };
    },
    close: async () => {},
  };
});

describeSyncStore('the memory store', async () => {
  const rows = new SyncRows();
  return {
    store: new MemorySyncStore(rows, { nowMs: () => Date.UTC(2026, 0, 1) }),
    counts: async (ref) => {
      const start = `${partitionName(ref)} `;
      const counts = [...rows.counts].filter(([name]) => name.startsWith(start));
      return Object.fromEntries(counts.map(([name, count]) => [name.slice(start.length), count]));
    },
    close: async () => {},
  };
});

describeIdentityStore('the memory store', async () => ({
  store: new MemoryIdentityStore(new BindingRows()),
  close: async () => {},
}));
