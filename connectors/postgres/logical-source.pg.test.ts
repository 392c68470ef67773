import { describeSourceConnector } from '../../tests/contracts/source-connector.contract.ts';
import { openLogicalWorld } from '../../tests/logical-world.ts';

describeSourceConnector('PostgreSQL, by its log', openLogicalWorld);
