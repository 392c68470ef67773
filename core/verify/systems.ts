/** What is verified besides the systems: our own tables, held against themselves. */
export const tablesSystem = 'tables';
