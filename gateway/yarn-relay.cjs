'use strict'
/**
 * The plugin that `catalog exec` has Yarn load (YARN_PLUGINS) behind a registry that is not the public one. Yarn keeps its own
 * registry, so its lockfile is the one that it writes by itself; what it GETs from there goes through the gateway that exec
 * names, headers and all, for exec has made sure that this one asks the same registry with the same credentials. Whatever
 * fails there Yarn gets as it always did. One file, no dependencies, nothing done when loaded; runs in the user's Yarn (3, 4)
 * and Node. https://yarnpkg.com/api/yarnpkg-core/interface/Hooks#wrapNetworkRequest, docs/ci.md
 */
module.exports = {
  name: '@catalog-p2p/exec-relay',
  factory(require) {
    // Yarn before 4.0.2 knows built-in modules without the prefix only.
    const http = require('http')
    const { httpUtils } = require('@yarnpkg/core')

    /** At least so many bytes in each such time, or the gateway hangs and Yarn's own way is faster. */
    const SILENCE_MS = 20000
    const MIN_BYTES = 4 * 1024
    const MAX_BODY_BYTES = 1024 * 1024 * 1024
    /** So many in a row, and it is left alone for the rest of this run. */
    const MAX_FAILURES = 3
    /** Of a version, what Yarn's reader of metadata takes, and some that it may come to take: the rest can be a hundred times as large. */
    const KEPT = [
      ...['name', 'version', 'bin', 'scripts', 'os', 'cpu', 'libc', 'engines', 'deprecated'],
      ...['dependencies', 'dependenciesMeta', 'optionalDependencies', 'peerDependencies'],
      ...['peerDependenciesMeta', 'bundleDependencies', 'bundledDependencies', 'hasInstallScript'],
      ...['installConfig', '_npmUser', 'dist'],
    ]

    const agent = new http.Agent({ keepAlive: true, maxSockets: 64 })
    const { gateway, registry } = JSON.parse(process.env.CATALOG_EXEC_YARN || '{}')
    let failures = 0

    /** The place at the gateway of what Yarn wants; undefined: it is none of exec's business. */
    function placeOf(target, configuration) {
      if (gateway === undefined || failures >= MAX_FAILURES) return undefined
      const url = new URL(target)
      const whole = url.origin + url.pathname
      if (!whole.startsWith(registry) || isOfScope(whole, configuration)) return undefined
      const path = whole.slice(registry.length)
      // Accounts, audits and the like are between Yarn and the registry.
      return path === '' || path.startsWith('-/') ? undefined : gateway + path + url.search
    }

    /** A scope's registry may lie within another one, and is a registry of its own. */
    function isOfScope(whole, configuration) {
      for (const settings of configuration.get('npmScopes').values()) {
        const own = `${settings.get('npmRegistryServer') || ''}`.replace(/\/*$/, '/')
        if (own.startsWith(registry) && own !== registry && whole.startsWith(own)) return true
      }
      return false
    }

    /** Its whole answer, whatever it says; rejects when there is none, or it hangs. */
    function ask(url, headers) {
      return new Promise((resolve, reject) => {
        let since = 0
        let wasSlow = false
        let watch
        const look = () => {
          const isSlow = since < MIN_BYTES
          // The last piece of something long may be a small one.
          if (since === 0 || (isSlow && wasSlow)) request.destroy(new Error('it hangs'))
          ;[since, wasSlow] = [0, isSlow]
        }
        const request = http.get(url, { headers, agent }, (response) => {
          const { statusCode, statusMessage, headers: own } = response
          const chunks = []
          let size = 0
          response.on('data', (chunk) => {
            chunks.push(chunk)
            size += chunk.length
            since += chunk.length
            if (size > MAX_BODY_BYTES) request.destroy(new Error('the answer is too long'))
          })
          response.on('error', reject)
          response.on('end', () =>
            resolve({ statusCode, statusMessage, headers: own, body: Buffer.concat(chunks) }),
          )
        })
        // Not before: it may have to wait for one.
        request.on('socket', () => (watch = setInterval(look, SILENCE_MS)))
        request.on('error', reject)
        request.on('close', () => {
          clearInterval(watch)
          reject(new Error('it hung up')) // to no effect after an answer
        })
      })
    }

    /** As Yarn's own reader of metadata, which wraps the request that is not made, would have handed it on. */
    function picked(bytes) {
      const { versions, time, 'dist-tags': tags = {} } = JSON.parse(bytes.toString())
      const short = Object.entries(versions).map(([version, manifest]) => [
        version,
        Object.fromEntries(
          KEPT.filter((key) => manifest[key] !== undefined).map((key) => [key, manifest[key]]),
        ),
      ])
      return { 'dist-tags': tags, versions: Object.fromEntries(short), ...(time && { time }) }
    }

    async function wrapNetworkRequest(executor, extra) {
      const { configuration, target, method = 'GET', headers = {} } = extra
      const place = method === 'GET' ? placeOf(target, configuration) : undefined
      // Offline is offline.
      if (place === undefined || !mayUseNetwork(target, configuration)) return executor
      const given = new Map(
        Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]),
      )
      // The reader always names this one, even with nothing to put in it.
      const isReader = given.delete('if-none-match')
      given.delete('if-modified-since')
      for (const [key, value] of given) if (value === undefined) given.delete(key)
      const sent = { ...Object.fromEntries(given), 'accept-encoding': 'identity' }
      return async () => {
        // Those that waited for their turn meanwhile need not find out for themselves.
        if (failures >= MAX_FAILURES) return executor()
        const answer = await ask(place, sent).catch(() => undefined)
        failures = answer === undefined ? failures + 1 : 0
        const taken = answer && take(answer, isReader)
        // Where it has nothing the registry may do better, or says what is wrong in its own words.
        return taken || executor()
      }
    }

    function take(answer, isReader) {
      if (answer.statusCode !== 200) return undefined
      if (!isReader) return answer
      try {
        return { ...answer, body: picked(answer.body) }
      } catch {
        return undefined // no metadata
      }
    }

    function mayUseNetwork(target, configuration) {
      return httpUtils.getNetworkSettings(target, { configuration }).enableNetwork !== false
    }

    return { hooks: { wrapNetworkRequest } }
  },
}
