/** The swarm as a picture and as a table: who is connected, how far away, and who gave whom how much. */
import { useState } from 'preact/hooks'
import type { FleetSection, SwarmPeer, SwarmSection, Tier } from '../snapshot.ts'
import { bytes, count, duration, plural, shortId } from './format.ts'
import { html, type View } from './html.ts'
import { lineWidth, MAX_PLACED, placePeers, RINGS, type PlacedPeer } from './swarm-map.ts'

const TIER_WORDS: Readonly<Record<Tier, string>> = {
  local: 'local network',
  near: 'near',
  far: 'far',
  new: 'not measured yet',
}
const FEW = 8
const LABELLED = 12
const MAX_LABELLED = 24

export function Swarm({ swarm }: { swarm: SwarmSection }): View {
  const [isLong, setLong] = useState(false)
  const { peers, count: total } = swarm
  return html`<section class="panel swarm" aria-labelledby="swarm">
    <h2 id="swarm">Swarm</h2>
    <p class="lead">${swarmText(swarm)}</p>
    ${fleetText(swarm.fleet)}
    ${peers === null && html`<p class="quiet">Who they are is shown on the machine itself only.</p>`}
    ${total === 0 && nobody()}
    ${
      peers !== null &&
      peers.length > 0 &&
      html`<div class="swarm-body">
        ${picture(peers)}
        <div>
          ${peerTable(isLong ? peers : peers.slice(0, FEW))}
          ${
            peers.length > FEW &&
            html`<button type="button" aria-expanded=${isLong} onClick=${() => setLong(!isLong)}>
              ${isLong ? 'show fewer' : `show all ${peers.length}`}
            </button>`
          }
        </div>
      </div>`
    }
  </section>`
}

function swarmText({ count: total, banned, reached }: SwarmSection): View {
  return html`<b>${plural(total, 'peer')}</b> connected${
      banned > 0 ? `, ${count(banned)} banned` : ''
    }${reached !== null && html`<span class="quiet"> · this machine has been reached ${reached}</span>`}`
}

/** Nothing where no machine shares with this one. */
function fleetText({ members, received, fetched, failed, metadata }: FleetSection): View {
  if (members === 0) return null
  return html`<p class="quiet fleet">
    ${`A fleet with ${plural(members, 'other machine')}: ${plural(received, 'package')} fetched by them for this one, `}
    ${`${count(fetched)} by this one for them${missedText(failed)}.`} ${metadataText(metadata)}
  </p>`
}

/** Nothing where metadata is not shared. */
function metadataText({ members, received, given, failed }: FleetSection['metadata']): string {
  if (members === 0) return ''
  const got = `${plural(received, 'document')} from them`
  return ` Metadata shared with ${count(members)}: ${got}, ${count(given)} to them${missedText(failed)}.`
}

function missedText(failed: number): string {
  if (failed === 0) return ''
  const times = failed === 1 ? 'once' : `${count(failed)} times`
  return `; ${times} one did not give what it was asked for`
}

function nobody(): View {
  return html`<p class="quiet">
    Start catalog on a second machine of this network and they find each other. "catalog doctor"
    tells what could be in the way.
  </p>`
}

function picture(peers: readonly SwarmPeer[]): View {
  const placed = placePeers(peers)
  // Where they stand close their names would only hide each other.
  const named = peers.length > MAX_LABELLED ? [] : peers.slice(0, LABELLED)
  const labelled = new Set(named.map(({ id }) => id))
  const rings = ringsFor(peers)
  const [outerX, outerY] = RINGS[rings[0] ?? 'local']
  const [halfX, halfY] = [outerX + 40, outerY + 28]
  const rest = peers.length - placed.length
  return html`<figure>
    <svg
      viewBox=${`${-halfX} ${-halfY} ${2 * halfX} ${2 * halfY}`}
      style=${{ maxWidth: `${(520 * halfX) / 320}px` }}
      role="img"
      aria-label=${`${peers.length} peers around this machine; the table has the numbers`}
    >
      ${rings.map((tier) => {
        const [rx, ry] = RINGS[tier]
        return html`<g class="ring">
          <ellipse rx=${rx} ry=${ry} />
          <text x=${5 - rx} y="4">${tier}</text>
        </g>`
      })}
      ${placed.map(lines)}
      <circle class="self" r="17" />
      <text class="self-name" text-anchor="middle" dy="4">here</text>
      ${placed.map((each) => dot(each, labelled.has(each.peer.id)))}
    </svg>
    <figcaption>
      <span class="key got"></span>gave us <span class="key gave"></span>got from us
      ${rest > 0 && ` · ${rest} more than the ${MAX_PLACED} drawn`}
    </figcaption>
  </figure>`
}

/** From the outermost where somebody is; at least one. */
function ringsFor(peers: readonly SwarmPeer[]): readonly Exclude<Tier, 'new'>[] {
  const all = ['far', 'near', 'local'] as const
  const outermost = all.findIndex((ring) =>
    peers.some(({ tier }) => (tier === 'new' ? 'far' : tier) === ring),
  )
  return all.slice(Math.max(0, outermost))
}

/** Side by side, so that both directions are seen. */
function lines({ peer, x, y }: PlacedPeer): View {
  const length = Math.hypot(x, y) || 1
  const [got, gave] = [lineWidth(peer.gotBytes), lineWidth(peer.gaveBytes)]
  const apart = got > 0 && gave > 0 ? (got + gave) / 4 + 0.5 : 0
  const [dx, dy] = [(-y / length) * apart, (x / length) * apart]
  return html`<g key=${peer.id}>
    ${got + gave === 0 && html`<line class="idle" x1="0" y1="0" x2=${x} y2=${y} />`}
    ${got > 0 && html`<line class="got" x1=${x + dx} y1=${y + dy} x2=${dx} y2=${dy} stroke-width=${got} />`}
    ${gave > 0 && html`<line class="gave" x1=${-dx} y1=${-dy} x2=${x - dx} y2=${y - dy} stroke-width=${gave} />`}
  </g>`
}

function dot({ peer, x, y }: PlacedPeer, isLabelled: boolean): View {
  const { id, tier, strikes, gotBytes, gaveBytes } = peer
  const below = y >= 0 ? 20 : -12
  return html`<g key=${id} class=${`peer ${tier}${strikes > 0 ? ' struck' : ''}`}>
    <title>${`${shortId(id)}: gave us ${bytes(gotBytes)}, got ${bytes(gaveBytes)}`}</title>
    <circle cx=${x} cy=${y} r="7" />
    ${isLabelled && html`<text x=${x} y=${y + below} text-anchor="middle">${shortId(id)}</text>`}
  </g>`
}

function peerTable(peers: readonly SwarmPeer[]): View {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Peers">
    <table>
      <thead>
        <tr>
          <th scope="col">peer</th>
          <th scope="col">distance</th>
          <th scope="col" class="number">answers in</th>
          <th scope="col" class="number">gave us</th>
          <th scope="col" class="number">got from us</th>
          <th scope="col" class="number">holds</th>
        </tr>
      </thead>
      <tbody>
        ${peers.map(
          (peer) =>
            html`<tr key=${peer.id}>
              <th scope="row" title=${`${peer.id} at ${peer.address}`}>
                <code>${shortId(peer.id)}</code>
                ${peer.strikes > 0 && html` <span class="badge bad">${plural(peer.strikes, 'strike')}</span>`}
              </th>
              <td>${TIER_WORDS[peer.tier]}<span class="quiet">, ${peer.transport}</span></td>
              <td class="number">${peer.rttMs === null ? '–' : duration(peer.rttMs)}</td>
              <td class="number">${bytes(peer.gotBytes)}</td>
              <td class="number">${bytes(peer.gaveBytes)}</td>
              <td class="number">${count(peer.artifacts)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}
