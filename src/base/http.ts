// node:http. Its import as an ES module reads every name that it has, and one of those brings a
// whole second client with it: 14 MiB that nothing here uses.
import type * as http from 'node:http';

const module: typeof http = process.getBuiltinModule('node:http');

export const { Agent, createServer, get, ServerResponse, STATUS_CODES } = module;
