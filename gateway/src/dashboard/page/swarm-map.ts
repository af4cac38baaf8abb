/**
 * Where peers stand in the picture: on a ring each for how far away they are, spread evenly and always in the same order, so
 * that nobody jumps when another one comes. Pure.
 */
import type { SwarmPeer, Tier } from '../snapshot.ts'

export interface PlacedPeer {
  readonly peer: SwarmPeer
  readonly x: number
  readonly y: number
}

/** From the middle outwards; half of the picture's width and height. */
export const RINGS: Readonly<Record<Tier, readonly [number, number]>> = {
  local: [125, 70],
  near: [205, 114],
  far: [280, 150],
  new: [280, 150],
}
/** More would touch each other. */
export const MAX_PLACED = 72
/** Peers on one ring that touch each other. */
const CROWDED = 20
/** Rings begin at different angles, so that peers on them do not hide each other. */
const GOLDEN = 0.382
/** On the left, where the rings' names stand. */
const GAP = 0.3

/** @param peers best first; those beyond MAX_PLACED are left out */
export function placePeers(peers: readonly SwarmPeer[]): readonly PlacedPeer[] {
  const shown = peers.slice(0, MAX_PLACED)
  const rings = new Map<string, SwarmPeer[]>()
  for (const peer of shown) {
    const ring = peer.tier === 'new' ? 'far' : peer.tier
    rings.set(ring, [...(rings.get(ring) ?? []), peer])
  }
  return [...rings].flatMap(([ring, members], ringIndex) => {
    const [width, height] = RINGS[ring as Tier]
    const sorted = members.toSorted((a, b) => (a.id < b.id ? -1 : 1))
    return sorted.map((peer, index) => {
      const turn = (ringIndex * GOLDEN + (index + 0.5) / sorted.length) % 1
      const angle = -Math.PI + GAP + turn * 2 * (Math.PI - GAP)
      // A crowded ring is three rows deep.
      const row = sorted.length > CROWDED ? 1 + ((index % 3) - 1) * 0.22 : 1
      return { peer, x: row * width * Math.cos(angle), y: row * height * Math.sin(angle) }
    })
  })
}

/** Of a line that stands for so many bytes: a kilobyte is thin, a gigabyte thick. 0: none. */
export function lineWidth(bytes: number): number {
  return bytes === 0 ? 0 : Math.min(5, Math.max(1, (Math.log10(bytes) - 3) * 0.8))
}
