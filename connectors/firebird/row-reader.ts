import type { TableRow } from '../../core/ports/table-reader.ts';
import { boundTextOf, type CellCodec, codecOf, type Fetch } from './cell-codec.ts';
import type { Column } from './column-type.ts';
import type { Cell, FirebirdTransaction, Parameter } from './firebird-session.ts';
import type { FirebirdTable } from './firebird-table.ts';
import { alias } from './table-statements.ts';

export interface RowQuestion {
  readonly transaction: FirebirdTransaction;
  readonly table: FirebirdTable;
  readonly columns: readonly Column[];
  readonly unspecified: string;
  statement(codecs: readonly CellCodec[]): string;
  readonly parameters: readonly Parameter[];
}

/** The answer as JSON texts, made cell by cell: no object is built for a row that did not change. */
export async function readRows({
  transaction,
  table,
  columns,
  unspecified,
  statement,
  parameters,
}: RowQuestion): Promise<TableRow[]> {
  const writer = rowWriter(columns, unspecified);
  const answered = await transaction.rows(statement(writer.codecs), parameters);
  const keyAt = table.key.map((part) => columns.findIndex(({ name }) => name === part.name));
  const watermarkAt = table.watermark === null ? -1 : columns.findIndex(({ name }) => name === table.watermark!.name);
  const rows: TableRow[] = [];
  for (const cells of answered) {
    let values = writer.values(cells, transaction);
    if (values instanceof Promise) values = await values;
    const boundAt = (at: number) => boundTextOf(columns[at]!.type, values[at]!);
    const watermark = watermarkAt < 0 || values[watermarkAt] === 'null' ? null : boundAt(watermarkAt);
    rows.push({ bound: keyAt.map(boundAt), text: writer.text(values), watermark });
  }
  return rows;
}

export interface RowWriter {
  readonly codecs: readonly CellCodec[];
  /** JSON texts of the columns' values; a promise where BLOBs have to be fetched. */
  values(
    cells: readonly Cell[],
    transaction: FirebirdTransaction,
    first?: number,
  ): readonly string[] | Promise<readonly string[]>;
  text(values: readonly string[]): string;
}

export function rowWriter(columns: readonly Column[], unspecified: string, from = alias): RowWriter {
  const codecs = columns.map((column) => codecOf(column, from, unspecified));
  const labels = columns.map(({ name }, at) => `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`);
  return {
    codecs,
    values(cells, transaction, first = 0) {
      const values: (string | Fetch)[] = [];
      let at = first;
      let waits = false;
      for (const codec of codecs) {
        const value = codec.json(cells, at, transaction);
        if (typeof value !== 'string') waits = true;
        values.push(value);
        at += codec.expressions.length;
      }
      return waits ? inTurn(values) : (values as string[]);
    },
    text(values) {
      let text = '';
      for (let at = 0; at < labels.length; at++) text += labels[at]! + values[at]!;
      return `${text}}`;
    },
  };
}

async function inTurn(values: readonly (string | Fetch)[]): Promise<string[]> {
  const texts: string[] = [];
  for (const value of values) texts.push(typeof value === 'string' ? value : await value());
  return texts;
}
