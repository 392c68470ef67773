import { hash } from 'node:crypto';
import { SyncError } from '../../core/errors.ts';
import { literal, quoted } from './catalogue.ts';
import type { Column, ColumnType } from './column-type.ts';

/** The tables and generators that all logs of a database have in common. */
export const logTable = 'SYNCLINE_LOG';
export const registerTable = 'SYNCLINE_TABLE';
export const numbers = 'SYNCLINE_ID';

/** So many changes may wait to be read, of all tables together; then only that something was missed is noted. */
export const logRowsMax = 1_000_000;
/** Deletions are noted beyond that: what is gone cannot be found by reading the table again. */
const deletionsMax = 10 * logRowsMax;
const partBytes = 1_020;
const partsMax = 4;

/** The names of what belongs to one table: short, whatever the table is called. */
export interface LogNames {
  readonly tag: string;
  readonly trigger: string;
  /** A generator: the highest number of the log that was read. */
  readonly read: string;
  /** A generator that counts what was not noted because the log was full. */
  readonly lost: string;
  readonly event: string;
}

export function logNamesOf(table: string): LogNames {
  const tag = hash('sha256', table, 'hex').slice(0, 10).toUpperCase();
  return { tag, trigger: `SYNCLINE_T_${tag}`, read: `SYNCLINE_R_${tag}`, lost: `SYNCLINE_L_${tag}`, event: `SYNCLINE_${tag}` };
}

export function partName(at: number): string {
  return `K${at + 1}`;
}

/** A key's part as the log keeps it: bytes, so that no character set stands between. */
export function partOf(column: string, type: ColumnType): string {
  switch (type.kind) {
    case 'text':
    case 'bytes':
    case 'unspecified':
      return `CAST(${column} AS VARCHAR(${partBytes}) CHARACTER SET OCTETS)`;
    default:
      return `CAST(CAST(${column} AS VARCHAR(64) CHARACTER SET ASCII) AS VARCHAR(${partBytes}) CHARACTER SET OCTETS)`;
  }
}

/** And back. */
export function partAs(part: string, type: ColumnType): string {
  switch (type.kind) {
    case 'text':
      return `CAST(${part} AS VARCHAR(${type.length}) CHARACTER SET ${type.characterSet})`;
    case 'unspecified':
      return `CAST(${part} AS VARCHAR(${type.length}) CHARACTER SET NONE)`;
    case 'bytes':
      return `CAST(${part} AS VARCHAR(${type.length}) CHARACTER SET OCTETS)`;
    default:
      return `CAST(CAST(${part} AS VARCHAR(64) CHARACTER SET ASCII) AS ${type.sql})`;
  }
}

/** Once for a database. */
export function commonStatements(): NamedStatement[] {
  const parts = Array.from({ length: partsMax }, (_, at) => `${partName(at)} VARCHAR(${partBytes}) CHARACTER SET OCTETS`).join(
    ', ',
  );
  return [
    { name: numbers, sql: `CREATE SEQUENCE ${numbers}` },
    {
      name: registerTable,
      sql: `CREATE TABLE ${registerTable} (TAG CHAR(10) CHARACTER SET ASCII NOT NULL PRIMARY KEY, TABLE_NAME VARCHAR(63) CHARACTER SET UTF8 NOT NULL, KEY_COLUMNS VARCHAR(500) CHARACTER SET UTF8 NOT NULL, FENCE BIGINT, READY SMALLINT DEFAULT 0 NOT NULL)`,
    },
    {
      name: logTable,
      sql: `CREATE TABLE ${logTable} (ID BIGINT NOT NULL, TAG CHAR(10) CHARACTER SET ASCII NOT NULL, NOTED_AT TIMESTAMP NOT NULL, ${parts})`,
    },
    { name: 'SYNCLINE_LOG_ORDER', sql: `CREATE INDEX SYNCLINE_LOG_ORDER ON ${logTable} (TAG, ID)` },
  ];
}

export interface LoggedTable {
  readonly name: string;
  readonly key: readonly Column[];
}

export function checkLoggable({ name, key }: LoggedTable): void {
  const table = quoted(name);
  const misfit = (message: string) => new SyncError('source.misconfigured', message, { details: { table } });
  if (key.length > partsMax)
    throw misfit(`the key of ${table} has ${key.length} columns; a change log holds up to ${partsMax}: use \`mode: compare\``);
  for (const column of key) {
    const { type } = column;
    if (!('length' in type)) continue;
    const widest = type.kind === 'text' && /UTF8|UNICODE|GB18030/.test(type.characterSet) ? 4 : type.kind === 'text' ? 2 : 1;
    if (type.length * widest > partBytes)
      throw misfit(`the key column ${quoted(column.name)} of ${table} is too long for a change log: use \`mode: compare\``);
  }
}

/**
 * Only inserts, never an update of a row of the log: writers who change different rows do not wait for each other. Numbers
 * and what was read are generators, which cost no row. A trigger that could not write would stop the application, so it has
 * rights of its own.
 */
export function triggerStatement({ name, key }: LoggedTable): string {
  const { tag, trigger, read, lost, event } = logNamesOf(name);
  const columns = key.map((_column, at) => partName(at)).join(', ');
  const note = (row: 'OLD' | 'NEW') =>
    `INSERT INTO ${logTable} (ID, TAG, NOTED_AT, ${columns}) VALUES (GEN_ID(${numbers}, 1), '${tag}', CURRENT_TIMESTAMP, ${key
      .map((column) => partOf(`${row}.${quoted(column.name)}`, column.type))
      .join(', ')});`;
  const rekeyed = key.map((column) => `OLD.${quoted(column.name)} IS DISTINCT FROM NEW.${quoted(column.name)}`).join(' OR ');
  return `CREATE OR ALTER TRIGGER ${trigger} FOR ${quoted(name)} ACTIVE AFTER INSERT OR UPDATE OR DELETE POSITION 32000 AS
DECLARE BEHIND BIGINT;
DECLARE GONE SMALLINT = 0;
BEGIN
  BEHIND = GEN_ID(${numbers}, 0) - GEN_ID(${read}, 0);
  IF (DELETING) THEN GONE = 1;
  IF (UPDATING) THEN IF (${rekeyed}) THEN GONE = 1;
  IF (BEHIND > ${deletionsMax} OR (BEHIND > ${logRowsMax} AND GONE = 0)) THEN BEHIND = GEN_ID(${lost}, 1);
  ELSE
  BEGIN
    IF (GONE = 1) THEN ${note('OLD')}
    IF (NOT DELETING) THEN ${note('NEW')}
  END
  POST_EVENT '${event}';
END`;
}

export interface NamedStatement {
  /** What it makes, so that it can be left out where that is there already; empty where it may be repeated. */
  readonly name: string;
  readonly sql: string;
}

/** The trigger has rights of its own: its users need none on the log. */
export function tableStatements(table: LoggedTable): NamedStatement[] {
  const { tag, trigger, read, lost } = logNamesOf(table.name);
  const key = table.key.map(({ name }) => name).join(',');
  return [
    { name: read, sql: `CREATE SEQUENCE ${read}` },
    { name: lost, sql: `CREATE SEQUENCE ${lost}` },
    { name: '', sql: `SELECT GEN_ID(${read}, GEN_ID(${numbers}, 0) - GEN_ID(${read}, 0)) FROM RDB$DATABASE` },
    { name: '', sql: triggerStatement(table) },
    { name: '', sql: `GRANT INSERT ON ${logTable} TO TRIGGER ${trigger}` },
    ...[numbers, read, lost].map((sequence) => ({ name: '', sql: `GRANT USAGE ON SEQUENCE ${sequence} TO TRIGGER ${trigger}` })),
    {
      name: '',
      sql: `UPDATE OR INSERT INTO ${registerTable} (TAG, TABLE_NAME, KEY_COLUMNS, READY) VALUES ('${tag}', ${literal(table.name)}, ${literal(key)}, 0) MATCHING (TAG)`,
    },
  ];
}

/** For the user of the source, where that is not the owner. */
export function readerStatements(table: string, reader: string): NamedStatement[] {
  const { read, lost } = logNamesOf(table);
  return [
    `GRANT SELECT ON ${quoted(table)} TO USER ${quoted(reader)}`,
    `GRANT SELECT, DELETE ON ${logTable} TO USER ${quoted(reader)}`,
    `GRANT SELECT ON ${registerTable} TO USER ${quoted(reader)}`,
    ...[numbers, read, lost].map((sequence) => `GRANT USAGE ON SEQUENCE ${sequence} TO USER ${quoted(reader)}`),
  ].map((sql) => ({ name: '', sql }));
}

export function removalStatements(table: string): string[] {
  const { tag, trigger, read, lost } = logNamesOf(table);
  return [
    `DROP TRIGGER ${trigger}`,
    `DELETE FROM ${logTable} WHERE TAG = '${tag}'`,
    `DELETE FROM ${registerTable} WHERE TAG = '${tag}'`,
    `DROP SEQUENCE ${read}`,
    `DROP SEQUENCE ${lost}`,
  ];
}

/** When no table is logged any more. */
export const lastRemovals = [
  { name: logTable, sql: `DROP TABLE ${logTable}` },
  { name: registerTable, sql: `DROP TABLE ${registerTable}` },
  { name: numbers, sql: `DROP SEQUENCE ${numbers}` },
];
