import type { StateRow } from '../../core/ports/sync-store.ts';
import { describeTargetStore } from '../../tests/contracts/target-store.ts';
import { MemoryTargetStore, TargetRows } from './target-store.ts';

describeTargetStore('memory', async () => {
  const rows = new TargetRows();
  const states: StateRow[] = [];
  const store = new MemoryTargetStore({
    rows,
    statesOf: (entityId) => states.filter((row) => row.entityId === entityId),
    nowMs: () => 1,
  });
  return {
    store,
    rebind: async (key, to) => void rows.bindings.set(`crm\0product\0${key}`, to),
    merge: async (from, into) => void rows.merges.set(from, into),
    putStates: async (more) => void states.push(...more),
    note: async (note) => rows.note([note]),
    noted: async () => rows.echoes.map(({ id }) => id),
    async replay() {
      for (const letter of rows.letters.values()) letter.status = 'replaying';
    },
    letterStatus: async (entityId) => rows.letters.get(`crm\0${entityId}`)?.status,
    close: async () => undefined,
  };
});
