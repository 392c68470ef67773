import { declareConnector, noOptions } from '../declaration.ts';

/** Read by nobody: whoever has a change sends it, and the API takes it. */
export const httpConnector = declareConnector({
  name: 'http',
  description: 'Takes records over HTTP: POST /users, POST /events/{type}, DELETE /events/{type}/{key}.',
  capabilities: { snapshot: false, changes: 'pushed', deletes: true, target: false },
  source: { options: noOptions, entity: noOptions },
});
