import { canonicalText } from '../../core/canonical/canonical.ts';
import { type JsonObject, parseExact } from '../../core/json.ts';
import { type TargetChange, TargetRejected, type TargetResult, type TargetRow } from '../../core/ports/target-connector.ts';
import type { MysqlSession } from './mysql-session.ts';
import { rowWriter } from './row-writer.ts';
import {
  columnsOf,
  deleteStatement,
  insertStatement,
  type KeyLiterals,
  lookupStatement,
  updateStatement,
} from './target-statements.ts';
import type { TargetTable } from './target-table.ts';

/** Another writer put a row in where none was, or took one away: what was decided on is gone. */
export class RowMoved extends Error {}

/** What is to stand under a key, and where its result belongs. */
interface Planned {
  readonly at: number;
  readonly key: KeyLiterals;
  readonly doc: JsonObject;
}

export interface BatchKey {
  readonly literals: KeyLiterals;
  readonly columns: JsonObject;
}

/** How large a statement grows before the next one is begun, where the server does not want less. */
const statementBytesMax = 1_000_000;

/** The changes of one transaction. */
export class TargetBatch {
  readonly #session: MysqlSession;
  readonly #table: TargetTable;

  constructor(session: MysqlSession, table: TargetTable) {
    this.#session = session;
    this.#table = table;
  }

  async write(changes: readonly TargetChange[], keys: readonly BatchKey[]): Promise<TargetResult[]> {
    const found = await this.rowsAt(
      keys.map(({ literals }) => literals),
      true,
    );
    const [inserts, updates, deletes, probes]: [Planned[], Planned[], Planned[], Planned[]] = [[], [], [], []];
    for (const [at, change] of changes.entries()) {
      const decision = change.decide(found.get(at) ?? null);
      if (decision.kind === 'leave') continue;
      const { literals, columns } = keys[at]!;
      if (decision.kind === 'delete') deletes.push({ at, key: literals, doc: columns });
      else {
        const planned = { at, key: literals, doc: { ...decision.row, ...columns } };
        (decision.kind === 'probe' ? probes : found.has(at) ? updates : inserts).push(planned);
      }
    }
    await this.#send(deletes.map(({ key }) => deleteStatement(this.#table, key)));
    await this.#store(inserts, updates);
    const returned = await this.#returned([...inserts, ...updates]);
    const kept = await this.#keep(probes, found);
    const written = new Set([...inserts, ...updates, ...deletes].map(({ at }) => at));
    return changes.map((_change, at): TargetResult => {
      const before = found.get(at) ?? null;
      if (kept.has(at)) return { kind: 'written', replaced: before, returned: before };
      return written.has(at)
        ? { kind: 'written', replaced: before, returned: returned.get(at) ?? null }
        : { kind: 'left', found: before };
    });
  }

  /** By the number of the key. */
  async rowsAt(keys: readonly KeyLiterals[], lock: boolean): Promise<Map<number, TargetRow>> {
    if (keys.length === 0) return new Map();
    const columns = [...this.#table.relation.columns.values()];
    const writer = rowWriter(columns);
    const rows = await this.#session.rows(lookupStatement(this.#table, keys, lock));
    return new Map(rows.map(([at, ...cells]) => [Number(at), parseExact(writer(cells)) as TargetRow]));
  }

  async #store(inserts: readonly Planned[], updates: readonly Planned[]): Promise<void> {
    const statements = updates.map(({ doc, key }) => updateStatement(this.#table, doc, key));
    await this.#send(statements.filter((statement) => statement !== undefined));
    const docs = inserts.map(({ doc }) => doc);
    const columns = columnsOf(this.#table, docs);
    for (const part of this.#parts(docs)) await this.#send([insertStatement(this.#table, part, columns)]);
  }

  /** Read again rather than assumed: so it shows what the database and its triggers made of it. */
  async #returned(planned: readonly Planned[]): Promise<Map<number, TargetRow>> {
    const rows = await this.rowsAt(
      planned.map(({ key }) => key),
      false,
    );
    if (rows.size !== planned.length) throw new RowMoved();
    return new Map([...rows].map(([index, row]) => [planned[index]!.at, row]));
  }

  /** One by one: there are few, after a crash. */
  async #keep(probes: readonly Planned[], found: ReadonlyMap<number, TargetRow>): Promise<Set<number>> {
    const kept = new Set<number>();
    for (const probe of probes) {
      const before = found.get(probe.at);
      if (before === undefined) continue;
      await this.#session.run(['SAVEPOINT probe']);
      await this.#store([], [probe]);
      const [after] = (await this.#returned([probe])).values();
      const same = after !== undefined && canonicalText(after) === canonicalText(before);
      if (same) kept.add(probe.at);
      else await this.#session.run(['ROLLBACK TO SAVEPOINT probe']);
      await this.#session.run(['RELEASE SAVEPOINT probe']);
    }
    return kept;
  }

  /** Together, as far as the server takes them; each is a statement of its own, so one that is too large alone is at fault. */
  async #send(statements: readonly string[]): Promise<void> {
    const bytesMax = this.#session.facts.statementBytesMax - 1_024;
    let group: string[] = [];
    let bytes = 0;
    for (const statement of statements) {
      if (statement.length > bytesMax)
        throw new TargetRejected(`the record is larger than max_allowed_packet (${bytesMax} bytes) lets through`);
      if (bytes + statement.length > Math.min(bytesMax, statementBytesMax) && group.length > 0) {
        await this.#session.run(group);
        [group, bytes] = [[], 0];
      }
      group.push(statement);
      bytes += statement.length + 2;
    }
    if (group.length > 0) await this.#session.run(group);
  }

  /** As many rows for one INSERT as it should carry; their texts are written as two digits a byte. */
  *#parts(docs: readonly JsonObject[]): Generator<JsonObject[]> {
    let part: JsonObject[] = [];
    let bytes = 0;
    for (const doc of docs) {
      const size = JSON.stringify(doc).length * 2;
      if (part.length > 0 && bytes + size > Math.min(statementBytesMax, this.#session.facts.statementBytesMax / 2)) {
        yield part;
        [part, bytes] = [[], 0];
      }
      part.push(doc);
      bytes += size;
    }
    if (part.length > 0) yield part;
  }
}
