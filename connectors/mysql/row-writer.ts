import { jsonOf } from './cell-text.ts';
import type { Column } from './column-type.ts';
import type { Cell } from './mysql-session.ts';

/** Makes the JSON text of rows, cell by cell: no object is built for a row that did not change. */
export function rowWriter(columns: readonly Column[]): (cells: readonly Cell[]) => string {
  const labels = columns.map(({ name }, at) => `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`);
  return (cells) => {
    let text = '';
    for (let at = 0; at < labels.length; at++) text += labels[at]! + jsonOf(columns[at]!.type, cells[at]!);
    return `${text}}`;
  };
}
