import { captureRig, shopUrl } from './capture.ts';
import { beginPaused, DebeziumCapture, OurSource } from './capture-contender.ts';
import { CaptureTable } from './capture-table.ts';
import { Contest, contestResult } from './contest.ts';
import { withRig } from './rig.ts';
import { ConnectWorker } from './rivals/connect-worker.ts';
import type { Scenario } from './scenario.ts';

/** Each round is a source of its own, so that nothing is known from the round before but to the processes, which are warm. */
const sources = ['first', 'second'] as const;

export const snapshot: Scenario = {
  name: 'snapshot',
  promise: '1,000,000 rows of PostgreSQL to a topic, against Debezium',
  run: (context) =>
    withRig({ ...context.rig, ...captureRig('{ mode: logical }', sources) }, async (rig) => {
      const table = await CaptureTable.create(rig, shopUrl(rig), context.quick ? 20_000 : 1_000_000);
      const worker = await ConnectWorker.open(rig);
      const contest = new Contest(rig);
      try {
        for (const source of sources) await beginPaused(rig, source);
        await rig.startRoles(['source']);
        for (const source of sources) {
          const ours = contest.enter(await OurSource.open(rig, table, source));
          await contest.measure(ours, table.rows, 0, () => ours.resume());
          await ours.stop();
          const rival = contest.enter(
            await DebeziumCapture.open(worker, table, { name: `rival_${source}`, snapshot: 'initial' }),
          );
          await contest.measure(rival, table.rows, 0, () => rival.start());
          await rival.stop();
        }
        return [
          contestResult('snapshot', 'rows/s, counted at the topic', contest.outcomeOf('ours'), contest.outcomeOf('debezium'), 1),
        ];
      } finally {
        await contest.close();
        await worker.close();
        await table.close();
      }
    }),
};
