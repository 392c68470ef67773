import type { Command } from 'commander';
import { addInitDbCommand } from './init-db.ts';
import { addStartCommand } from './start.ts';
import { addValidateCommand } from './validate.ts';

export function addCommands(program: Command): void {
  addStartCommand(program);
  addInitDbCommand(program);
  addValidateCommand(program);
}
