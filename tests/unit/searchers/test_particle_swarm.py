"""Particle swarm: the flight, its limits, categorical levels and restarts."""

import math

import numpy as np
import pytest

import wilks
from tests.unit.searchers.examples import LABELS, LINE, MIXED, bowl, play, sphere
from wilks.searchers.coordinates import Coordinates
from wilks.searchers.dice import Dice
from wilks.searchers.particle_swarm import ParticleSwarm, Swarm

SQUARE = Coordinates.of(sphere(2)[0])


def swarm(positions, losses):
    zeros = [[0.0] * len(p) for p in positions]
    return Swarm([p.copy() for p in positions], zeros, [p.copy() for p in positions], losses, 1.0, growing=False)


def test_flight_is_the_sum_of_its_parts():
    flock = swarm([[0.2, 0.2], [0.6, 0.8]], [1.0, 0.5])
    flock.velocities[0] = [0.1, -0.02]
    flock.bests[0] = [0.3, 0.3]
    inertia_only = flock.fly(SQUARE, Dice.keyed(0), (0.5, 0.0, 0.0))
    assert inertia_only[0].velocity == pytest.approx([0.05, -0.01])
    assert inertia_only[0].position == pytest.approx([0.25, 0.19])
    cognitive = [flock.fly(SQUARE, Dice.keyed(k), (0.0, 1.0, 0.0))[0].position for k in range(300)]
    assert np.min(cognitive) >= 0.2
    assert np.max(cognitive) <= 0.3
    assert np.mean(cognitive, axis=0) == pytest.approx([0.25, 0.25], abs=0.01)
    social = np.array([flock.fly(SQUARE, Dice.keyed(k), (0.0, 0.0, 1.0))[0].position for k in range(300)])
    assert social.mean(axis=0) == pytest.approx([0.4, 0.5], abs=0.04)


def test_velocity_is_limited():
    flock = swarm([[0.5, 0.5]], [1.0])
    flock.velocities[0] = [30.0, -30.0]
    assert flock.fly(SQUARE, Dice.keyed(0), (1.0, 0.0, 0.0))[0].velocity == [0.5, -0.5]


def test_velocity_turns_at_a_bound():
    flock = swarm([[0.9, 0.1]], [1.0])
    flock.velocities[0] = [0.2, 0.1]
    flight = flock.fly(SQUARE, Dice.keyed(0), (1.0, 0.0, 0.0))[0]
    assert flight.position == pytest.approx([0.9, 0.2])  # 1.1 is reflected
    assert flight.velocity == pytest.approx([-0.1, 0.1])
    periodic = Coordinates.of(sphere(2)[0], "periodic")
    flight = flock.fly(periodic, Dice.keyed(0), (1.0, 0.0, 0.0))[0]
    assert flight.position == pytest.approx([0.1, 0.2])
    assert flight.velocity == pytest.approx([0.2, 0.1])


def test_ordered_coordinates_fly_between_the_values():
    coordinates = Coordinates.of(wilks.Space(n=wilks.Integer(0, 10)))
    flock = swarm([[2.0]], [1.0])
    flock.velocities[0] = [0.3]
    assert flock.fly(coordinates, Dice.keyed(0), (1.0, 0.0, 0.0))[0].position == [2.3]
    course = play(ParticleSwarm(budget=200), MIXED, bowl, 200)
    assert any(p[2] != round(p[2]) for p in course.state.engine.positions)
    assert all(p[2] == round(p[2]) for p in course.state.engine.bests)


def test_levels_are_those_that_are_known_or_random():
    coordinates = Coordinates.of(LABELS)
    flock = swarm([[0.0, 0.0], [1.0, 1.0]], [1.0, 0.5])
    flock.bests[0] = [2.0, 0.0]
    drawn = [flock.fly(coordinates, Dice.keyed(k), (1.0, 1.0, 2.0))[0].position[0] for k in range(2000)]
    share = np.bincount(np.array(drawn, dtype=int), minlength=4) / 2000
    random = 0.05 / 4
    expected = [0.95 / 4 + random, 0.95 / 2 + random, 0.95 / 4 + random, random]
    assert share == pytest.approx(expected, abs=0.04)


def test_first_velocities_lead_inside():
    course = play(ParticleSwarm(n_particles=20), sphere(3)[0], sphere(3)[1], 20)
    engine = course.state.engine
    ends = np.array(engine.positions) + 2 * np.array(engine.velocities)
    assert ((ends >= 0) & (ends <= 1)).all()


def test_a_collapsed_swarm_begins_anew():
    course = play(ParticleSwarm(n_particles=8), LINE, lambda v: (v["x"] - 1) ** 2, 3000)
    assert course.state.engine.n_restarts >= 1
    assert course.best < 1e-12


def test_number_of_particles():
    space, loss = sphere(2)
    assert len(play(ParticleSwarm(n_particles=5), space, loss, 50).state.engine.positions) == 5
    assert ParticleSwarm(budget=10).n_wanted == 8
    assert ParticleSwarm(budget=10**6).n_wanted == 40
    assert len(play(ParticleSwarm(n_particles=1), space, loss, 50).losses) == 50


def test_only_the_order_of_losses_counts():
    space, loss = sphere(2)
    plain = play(ParticleSwarm(n_particles=10), space, loss, 200)
    assert play(ParticleSwarm(n_particles=10), space, lambda v: math.exp(loss(v)), 200).thetas == plain.thetas


def test_a_random_point_replaces_the_flight():
    space, loss = sphere(2)
    course = play(ParticleSwarm(n_particles=6, restart_probability=1.0), space, loss, 60)
    coordinates = Coordinates.of(space)
    last = coordinates.points(space.to_unit(np.array(course.thetas[-6:])))
    assert np.allclose(course.state.engine.positions, last)
