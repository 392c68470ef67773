import { SyncError } from '../../core/errors.ts';
import { nameOfTable, readRelation } from './catalogue.ts';
import { MssqlQuery } from './mssql-query.ts';
import { asSourceError } from './sqlserver-fault.ts';
import type { SqlServerPlace } from './sqlserver-place.ts';
import { requireColumn } from './sqlserver-table.ts';
import { lowered, targetDdl } from './target-ddl.ts';

export interface DdlWish {
  /** As it is configured: `table`, or `schema.table`. */
  readonly source: string;
  /** Empty: its primary key. */
  readonly key: readonly string[];
  readonly watermark: string;
  readonly schema: string;
  /** Undefined: as at the source, in small letters. */
  readonly table: string | undefined;
}

/** What makes a table of PostgreSQL for a table of SQL Server, from the catalogue of the latter. */
export async function planDdl(place: SqlServerPlace, { source, key, watermark, schema, table }: DdlWish): Promise<string[]> {
  const query = new MssqlQuery(place, 1);
  const names = nameOfTable(source, place.schema);
  try {
    const relation = await readRelation(query, names);
    if (relation === undefined) {
      await query.run(`SELECT TOP (0) 1 FROM ${names.name}`);
      throw new SyncError('source.misconfigured', `the table ${names.name} does not exist`);
    }
    const columns = key.length > 0 ? key.map((name) => requireColumn(relation, name, 'the key').name) : relation.primaryKey;
    if (columns.length === 0)
      throw new SyncError('source.misconfigured', `${names.name} has no primary key: name the columns under \`key\``);
    return targetDdl({ relation, key: columns, watermark, schema, table: table ?? lowered(names.table) });
  } catch (error) {
    throw asSourceError(error, { table: names.name, database: place.database, user: place.user });
  } finally {
    await query.close();
  }
}
