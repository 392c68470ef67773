import { describeSourceStore } from '../../tests/contracts/source-store.ts';
import { MemorySourceDesk, MemorySourceStore, StreamRows } from './source-store.ts';

describeSourceStore('memory', async () => {
  let nowMs = 1_000_000;
  const rows = new StreamRows(() => nowMs);
  return {
    store: new MemorySourceStore(rows),
    desk: new MemorySourceDesk(rows),
    async silence(ms) {
      nowMs += ms;
    },
    async close() {},
  };
});
