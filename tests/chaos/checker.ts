import pg from 'pg';
import { coursesOf, deletedState, entityIdOf, type Judged, judge, sortedText } from './log-model.ts';
import { endsOf, partitionId, readAll, source, type TopicRecord, type Topics, topicsOf } from './topics.ts';

/**
 * Reads what stands on the topics and in the tables of an installation at rest, and says in words whatever does not
 * fit together. It shares no code with what it checks.
 */
export async function findFaults(installation: { kafka: string; postgres: string; prefix: string }): Promise<string[]> {
  const topics = topicsOf(installation.prefix);
  const client = new pg.Client({ connectionString: installation.postgres });
  await client.connect();
  try {
    const read = (names: readonly string[]) => Promise.all(names.map((name) => readAll(installation.kafka, name)));
    const raw = (await read(topics.raw)).flat().map((record) => ({ record, verdict: judge(record) }));
    const evidence: Evidence = {
      topics,
      raw,
      rawEnds: await endsOf(installation.kafka, topics.raw),
      canonical: (await read(topics.canonical)).flat(),
      resolved: (await read(topics.resolved)).flat(),
      letters: await readAll(installation.kafka, topics.deadLetters),
      tables: await readTables(client),
    };
    return checks.flatMap((check) => check(evidence)).slice(0, faultsShownMax);
  } finally {
    await client.end();
  }
}

const faultsShownMax = 40;

interface Evidence {
  readonly topics: Topics;
  readonly raw: readonly Judged[];
  readonly rawEnds: ReadonlyMap<string, number>;
  readonly canonical: readonly TopicRecord[];
  readonly resolved: readonly TopicRecord[];
  readonly letters: readonly TopicRecord[];
  readonly tables: Tables;
}

type Tables = Awaited<ReturnType<typeof readTables>>;

interface StateLine {
  readonly entity_id: string;
  readonly source_type: string;
  readonly version: string;
  readonly status: string;
  readonly data: unknown;
}

interface LetterLine {
  readonly raw_topic: string;
  readonly raw_partition: number;
  readonly raw_offset: string;
  readonly code: string;
  readonly reason: string;
  readonly body: Buffer | null;
  readonly status: string;
}

async function readTables(client: pg.Client) {
  const rows = async <R extends pg.QueryResultRow>(text: string) => (await client.query<R>(text)).rows;
  return {
    states: await rows<StateLine>('SELECT entity_id, source_type, version, status, data FROM sync_state'),
    events: await rows<{ event_id: string; status: string; entity_id: string; event_type: string; data: unknown }>(
      'SELECT event_id, status, entity_id, event_type, data FROM source_events',
    ),
    outcomes: await rows<{ topic: string; partition: number; outcome: string; counted_by: string; records: string }>(
      'SELECT raw_topic AS topic, raw_partition AS partition, outcome, counted_by, records FROM raw_outcomes',
    ),
    processors: await rows<{ topic: string; partition: number; next_offset: string; forwarded: string }>(
      'SELECT topic, partition, next_offset, forwarded FROM processor_progress',
    ),
    letters: await rows<LetterLine>('SELECT raw_topic, raw_partition, raw_offset, code, reason, body, status FROM dead_letters'),
    outbox: await rows<{ topic: string }>('SELECT topic FROM outbox'),
  };
}

const checks: readonly ((evidence: Evidence) => string[])[] = [
  statesEqualTheLog,
  everyRecordHasOneOutcome,
  everyEventIsKeptOnce,
  canonicalTopicHoldsTheLog,
  resolvedTopicEndsAtTheGoldenRows,
  deadLettersAreThePoison,
];

/** The last valid change of every key, by its position, is what both rows say; the version counts the changes. */
function statesEqualTheLog({ raw, tables }: Evidence): string[] {
  const faults: string[] = [];
  const rows = new Map(tables.states.map((row) => [`${row.entity_id} ${row.source_type}`, row]));
  const courses = coursesOf(raw);
  for (const course of courses.values()) {
    for (const type of [source.toUpperCase(), 'GOLDEN']) {
      const row = rows.get(`${course.entityId} ${type}`);
      rows.delete(`${course.entityId} ${type}`);
      const expected = `version ${course.applied.length}: ${course.newest.state}`;
      const found = row === undefined ? 'nothing' : `version ${row.version}: ${stateOfRow(row)}`;
      if (found !== expected) faults.push(`${type} row of ${course.entityId} is ${found}; the log ends with ${expected}`);
    }
  }
  for (const id of rows.keys()) faults.push(`row ${id} has nothing on the log`);
  return faults;
}

function stateOfRow(row: StateLine): string {
  if (row.status === 'deleted') return row.data === null ? deletedState : `deleted, but with data ${sortedText(row.data)}`;
  return sortedText(row.data);
}

/** Per raw partition: as many outcomes as records, of the kinds the log asks for; what was sent on was settled. */
function everyRecordHasOneOutcome({ raw, rawEnds, canonical, tables }: Evidence): string[] {
  const faults: string[] = [];
  const appliedOf = new Map<string, number>();
  for (const { topic, partition, applied } of coursesOf(raw).values())
    add(appliedOf, partitionId(topic, partition), applied.length);
  const origins = new Map<string, Set<number>>();
  for (const record of canonical) {
    const { origin } = JSON.parse(String(record.value)) as { origin: { topic: string; partition: number; offset: number } };
    const id = partitionId(origin.topic, origin.partition);
    origins.set(id, (origins.get(id) ?? new Set()).add(origin.offset));
  }
  for (const [id, end] of rawEnds) {
    const records = raw.filter(({ record }) => partitionId(record.topic, record.partition) === id);
    const rows = tables.outcomes.filter((row) => partitionId(row.topic, row.partition) === id);
    const progress = tables.processors.find((row) => partitionId(row.topic, row.partition) === id);
    const count = (of: (row: (typeof rows)[number]) => boolean) =>
      rows.filter(of).reduce((sum, row) => sum + Number(row.records), 0);
    const verdicts = (kind: string) => records.filter(({ verdict }) => verdict.kind === kind).length;
    const claim = (what: string, found: number, expected: number) => {
      if (found !== expected) faults.push(`${id}: ${what} ${found}, expected ${expected}`);
    };
    claim('records read', records.length, end);
    claim(
      'sum of the outcomes',
      count(() => true),
      end,
    );
    claim('records the processor is through', Number(progress?.next_offset ?? 0), end);
    claim(
      'dead-lettered',
      count((row) => row.outcome === 'dead-lettered'),
      verdicts('poison'),
    );
    claim(
      'filtered',
      count((row) => row.outcome === 'filtered'),
      verdicts('control'),
    );
    claim(
      'applied',
      count((row) => row.outcome === 'applied'),
      appliedOf.get(id) ?? 0,
    );
    const forwarded = Number(progress?.forwarded ?? 0);
    claim(
      'settled by the sync manager',
      count((row) => row.counted_by !== 'processor'),
      forwarded,
    );
    claim('origins on the canonical topic', origins.get(id)?.size ?? 0, forwarded);
  }
  if (tables.outbox.length > 0) faults.push(`${tables.outbox.length} rows are left in the outbox`);
  return faults;
}

/** The history holds every change that moved the tables, under its own id, and nothing the log does not. */
function everyEventIsKeptOnce({ raw, tables }: Evidence): string[] {
  const faults: string[] = [];
  const known = new Map<string, { entityId: string; state: string }>();
  for (const { verdict } of raw) {
    if (verdict.kind === 'change')
      known.set(verdict.event.eventId, { entityId: entityIdOf(verdict.event), state: verdict.state });
  }
  const applied = new Set([...coursesOf(raw).values()].flatMap((course) => course.applied.map((change) => change.eventId)));
  for (const row of tables.events) {
    const event = known.get(row.event_id);
    if (event === undefined) faults.push(`event ${row.event_id} is in the history and not on the log`);
    else if (event.entityId !== row.entity_id)
      faults.push(`event ${row.event_id} is kept for ${row.entity_id}, not ${event.entityId}`);
    else if (event.state !== (row.data === null ? deletedState : sortedText(row.data))) {
      faults.push(`event ${row.event_id} is kept as ${sortedText(row.data)}, the log says ${event.state}`);
    }
    const isApplied = row.status === 'applied';
    if (isApplied && !applied.delete(row.event_id))
      faults.push(`event ${row.event_id} of ${row.entity_id} was applied and changed nothing`);
  }
  for (const eventId of applied)
    faults.push(`event ${eventId} of ${known.get(eventId)?.entityId} changed its entity and was not applied`);
  const counted = new Map<string, number>();
  for (const row of tables.outcomes) {
    if (row.counted_by !== 'processor') add(counted, row.outcome, Number(row.records));
  }
  for (const status of ['applied', 'unchanged', 'stale', 'superseded']) {
    const kept = tables.events.filter((row) => row.status === status).length;
    if (kept !== (counted.get(status) ?? 0))
      faults.push(`${kept} events are kept as ${status}, ${counted.get(status) ?? 0} were counted`);
  }
  return faults;
}

/** Each canonical record is the raw record it names; the first mention of each follows the order of the raw partition. */
function canonicalTopicHoldsTheLog({ raw, canonical }: Evidence): string[] {
  const faults: string[] = [];
  const byOrigin = new Map(
    raw.map((judged) => [`${partitionId(judged.record.topic, judged.record.partition)}@${judged.record.offset}`, judged]),
  );
  const mentioned = new Set<string>();
  const last = new Map<string, number>();
  for (const record of canonical) {
    const found = JSON.parse(String(record.value)) as {
      eventId: string;
      entityId: string;
      data: unknown;
      origin: { topic: string; partition: number; offset: number };
    };
    const { topic, partition, offset } = found.origin;
    const id = `${partitionId(topic, partition)}@${offset}`;
    const verdict = byOrigin.get(id)?.verdict;
    const mayPass = verdict?.kind === 'change' || (verdict?.kind === 'poison' && verdict.code === 'store.rejected');
    if (!mayPass) faults.push(`${id} was sent on although it is ${verdict?.kind ?? 'not there'}`);
    if (verdict?.kind === 'change') {
      const state = found.data === null ? deletedState : sortedText(found.data);
      if (state !== verdict.state || found.eventId !== verdict.event.eventId || found.entityId !== record.key) {
        faults.push(`${id} was sent on as ${found.eventId} ${state}, it is ${verdict.event.eventId} ${verdict.state}`);
      }
    }
    if (mentioned.has(id)) continue;
    mentioned.add(id);
    const line = `${partitionId(record.topic, record.partition)} <- ${partitionId(topic, partition)}`;
    if (offset < (last.get(line) ?? -1)) faults.push(`${line}: offset ${offset} came after ${last.get(line)}`);
    last.set(line, offset);
  }
  return faults;
}

/** Version n of an entity is its n-th change wherever it stands; without the versions already seen they rise to the golden row. */
function resolvedTopicEndsAtTheGoldenRows({ raw, resolved, tables }: Evidence): string[] {
  const faults: string[] = [];
  const courses = coursesOf(raw);
  const lastOf = new Map<string, { n: number; state: string }>();
  const highest = new Map<string, number>();
  for (const record of resolved) {
    const found = JSON.parse(String(record.value)) as {
      entityId: string;
      version: { epoch: number; n: number };
      deleted: boolean;
      data: unknown;
      eventId: string;
    };
    const { n } = found.version;
    const state = found.deleted ? deletedState : sortedText(found.data);
    const change = courses.get(found.entityId)?.applied[n - 1];
    if (found.entityId !== record.key) faults.push(`${record.key} on the resolved topic carries ${found.entityId}`);
    if (change?.state !== state || change.eventId !== found.eventId) {
      faults.push(
        `version ${n} of ${found.entityId} was published as ${found.eventId} ${state}, it is ${change?.eventId} ${change?.state}`,
      );
    }
    lastOf.set(found.entityId, { n, state });
    highest.set(found.entityId, Math.max(n, highest.get(found.entityId) ?? 0));
  }
  for (const row of tables.states) {
    if (row.source_type !== 'GOLDEN') continue;
    const last = lastOf.get(row.entity_id);
    if (highest.get(row.entity_id) !== Number(row.version) || last?.n !== Number(row.version)) {
      faults.push(
        `the resolved topic ends with version ${last?.n} of ${row.entity_id} (highest ${highest.get(row.entity_id)}), the golden row is at ${row.version}`,
      );
    } else if (last.state !== stateOfRow(row))
      faults.push(`the last record of ${row.entity_id} is ${last.state}, the golden row ${stateOfRow(row)}`);
  }
  return faults;
}

/** Every poison record stands among the dead letters with its reason and its bytes, on the topic too, and nothing else does. */
function deadLettersAreThePoison({ raw, letters, tables }: Evidence): string[] {
  const faults: string[] = [];
  const rows = new Map(tables.letters.map((row) => [`${partitionId(row.raw_topic, row.raw_partition)}@${row.raw_offset}`, row]));
  const onTopic = new Set(
    letters.map((letter) => {
      const { origin } = JSON.parse(String(letter.value)) as { origin: { topic: string; partition: number; offset: number } };
      return `${partitionId(origin.topic, origin.partition)}@${origin.offset}`;
    }),
  );
  for (const { record, verdict } of raw) {
    if (verdict.kind !== 'poison') continue;
    const id = `${partitionId(record.topic, record.partition)}@${record.offset}`;
    const row = rows.get(id);
    rows.delete(id);
    if (!onTopic.delete(id)) faults.push(`${id} (${verdict.code}) is not on the dead letter topic`);
    if (row === undefined) faults.push(`${id} (${verdict.code}) is not among the dead letters`);
    else if (row.code !== verdict.code || row.reason === '')
      faults.push(`${id} is a dead letter for ${row.code} (${row.reason}), expected ${verdict.code}`);
    else if (!(row.body ?? Buffer.alloc(0)).equals(record.value ?? Buffer.alloc(0)))
      faults.push(`the dead letter of ${id} has other bytes`);
  }
  for (const [id, row] of rows) faults.push(`${id} is a dead letter (${row.code}: ${row.reason}) and no poison`);
  for (const id of onTopic) faults.push(`${id} is on the dead letter topic and no poison`);
  return faults;
}

function add(sums: Map<string, number>, id: string, more: number): void {
  sums.set(id, (sums.get(id) ?? 0) + more);
}
