/** The settings of bounds and deadlines: part of the table in settings.ts, which says what such a table is for. */
import { advanced, bytes, duration, group, integer, type Setting } from './setting.ts'

export const LIMIT_SETTINGS: readonly Setting[] = group('Limits', {
  'max-packument': advanced(
    bytes('gateway:maxPackumentBytes', 'largest metadata document taken from upstream'),
  ),
  'max-upload': advanced(bytes('gateway:maxUploadBytes', 'largest request body passed on')),
  'max-sockets': advanced(integer('gateway:maxSockets', 'client connections, at most')),
  'headers-timeout': advanced(
    duration('gateway:headersTimeoutMs', 'a client must have sent its headers within this'),
  ),
  'idle-timeout': advanced(
    duration('gateway:idleTimeoutMs', 'a client connection without movement is closed'),
  ),
  'keep-alive': advanced(
    duration('gateway:keepAliveMs', 'an idle client connection stays open for this'),
  ),
  'drain-timeout': advanced(
    duration('gateway:drainTimeoutMs', 'on stop, answers under way get this long'),
  ),
  'upstream-connect-timeout': advanced(
    duration('gateway:upstreamConnectTimeoutMs', 'connecting to upstream'),
  ),
  'upstream-timeout': advanced(
    duration(
      'gateway:upstreamTimeoutMs',
      "upstream's headers, and, but a minute at most, 16 KiB of metadata, 4 of a tarball",
    ),
  ),
  'upstream-retries': advanced(
    integer('gateway:upstreamRetries', 'further tries of a request to upstream'),
  ),
  'upstream-sockets': advanced(
    integer(
      'gateway:upstreamSockets',
      'connections to one upstream, at most, and as many for HEAD',
    ),
  ),
  'max-prefetch': advanced(integer('gateway:maxPrefetch', 'packages in one prefetch, at most')),
  'prefetch-concurrency': advanced(
    integer('gateway:prefetchConcurrency', 'artifacts that one prefetch gets at once'),
  ),
  'hint-wait': advanced(
    duration(
      'gateway:hintWaitMs',
      'fetch ahead only while tarballs take longer than this to come, on average',
    ),
  ),
  'max-hints': advanced(
    integer('gateway:maxHints', 'packages taken from one audit or plugin, at most'),
  ),
  'hint-concurrency': advanced(
    integer(
      'gateway:hintConcurrency',
      'artifacts moving at once for clients and ahead of them, together',
    ),
  ),
})
