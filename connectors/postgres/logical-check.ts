import { SyncError } from '../../core/errors.ts';
import type { StreamCheck } from '../../core/ports/source-connector.ts';
import { ReplicationConnection } from './logical-connection.ts';
import type { LogicalGroundOptions } from './logical-ground.ts';
import { type Publication, publishingProblem, readPublication } from './logical-publication.ts';
import type { LogicalShape } from './logical-shape.ts';
import { readSlot } from './logical-slot.ts';

const megabyte = 1_048_576;

const publicationTexts: Readonly<Record<Publication['state'], string>> = {
  missing: 'not made yet',
  without: 'without the table yet',
  there: 'there',
};

/** Whether the log of this server can be read for this table, without making anything. */
export async function logicalCheck(
  { database, slot, publication }: LogicalGroundOptions,
  shape: LogicalShape,
  found: readonly string[],
): Promise<StreamCheck> {
  const [{ level } = { level: '' }] = await database.query<{ level: string }>(`SELECT current_setting('wal_level') AS level`);
  if (level !== 'logical') {
    const message = `wal_level is ${level}: set \`wal_level = logical\` and restart the server (hosted databases have a switch for logical replication)`;
    return { found, problem: new SyncError('source.misconfigured', message) };
  }
  const connection = await ReplicationConnection.open(database.place);
  connection.close();
  const published = await readPublication(database, publication, shape);
  const state = await readSlot(database, slot);
  const kept =
    state === null ? 'not made yet' : `keeps ${(state.keptBytes / megabyte).toFixed(1)} MB of the log, ${state.walStatus}`;
  const lost =
    state?.walStatus === 'lost'
      ? new SyncError(
          'source.position-lost',
          `the slot ${slot} of ${shape.name} was given up by the server: everything is read again`,
        )
      : null;
  return {
    found: [...found, `publication ${publication}: ${publicationTexts[published.state]}`, `slot ${slot}: ${kept}`],
    problem: (await publishingProblem(database, publication, shape)) ?? lost,
  };
}
