import type { TargetEntity } from '../declaration.ts';

/** One kind of entity as a table that is written to. */
export interface TableDeclaration {
  readonly kind: string;
  /** `name`, or with its schema or database in front. */
  readonly table: string;
  readonly key: readonly string[];
  readonly deletes: boolean;
  /** The columns the mapping writes; undefined where that depends on the record. */
  readonly columns: readonly string[] | undefined;
}

/** A table is called as its kind where nothing else is said. */
export function declaredTables(entities: readonly TargetEntity<{ readonly table?: string | undefined }>[]): TableDeclaration[] {
  return entities.map(({ kind, key, deletes, fields, options: { table = kind } }) => ({
    kind,
    table,
    key,
    deletes,
    columns: fields,
  }));
}
