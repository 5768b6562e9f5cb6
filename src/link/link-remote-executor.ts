// The scheduler at the far end of a Link as a RemoteExecutor. Unaware of how the connection is kept.

import type { RemoteExecutor } from '../model/remote-executor.ts';
import type { LinkClient } from './link-client.ts';

/** The executor behind this client; while it is not connected everything fails with `disconnected`. */
export function linkRemoteExecutor(_client: LinkClient): RemoteExecutor {
  throw new Error('not written yet');
}
