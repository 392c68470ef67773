import { describeSourceStore } from '../../tests/contracts/source-store.ts';
import { openTestDatabase } from '../../tests/test-database.ts';
import { createSourceDesk } from './source-desk.ts';
import { createSourceStore } from './source-store.ts';

describeSourceStore('PostgreSQL', async () => {
  const database = await openTestDatabase();
  return {
    store: createSourceStore(database.pool),
    desk: createSourceDesk(database.pool),
    async silence(ms) {
      await database.pool.query(
        `UPDATE source_streams SET owner_seen_at = owner_seen_at - make_interval(secs => $1::float / 1000)`,
        [ms],
      );
    },
    close: () => database.close(),
  };
});
