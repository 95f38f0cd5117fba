// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Factory} from "./Factory.sol";
import {Fungible} from "./Fungible.sol";
import {Pair} from "./Pair.sol";

/// @title Works out amounts on the chain, so that a transaction stays valid whatever was mined before it.
contract Router {
    Factory public immutable factory;

    constructor(Factory factory_) {
        factory = factory_;
    }

    /// Swaps `amount` of path[0] for path's last token, through every pair on the way.
    function swap(uint256 amount, uint256 least, address[] calldata path, address to) external {
        _pull(path[0], _pair(path[0], path[1]), amount);
        for (uint256 i = 0; i + 1 < path.length; i++) {
            Pair pair = _pair(path[i], path[i + 1]);
            bool forward = path[i] < path[i + 1];
            amount = _out(pair, forward, amount);
            address next = i + 2 < path.length ? address(_pair(path[i + 1], path[i + 2])) : to;
            if (forward) pair.swap(0, amount, next, "");
            else pair.swap(amount, 0, next, "");
        }
        require(amount >= least, "Router: less than asked for");
    }

    /// Adds at most the two amounts, in the proportion of the reserves.
    function add(address tokenA, address tokenB, uint256 amountA, uint256 amountB, address to) external {
        Pair pair = _pair(tokenA, tokenB);
        (uint256 reserveA, uint256 reserveB) = _reserves(pair, tokenA < tokenB);
        if (reserveA > 0) {
            uint256 fitB = amountA * reserveB / reserveA;
            if (fitB <= amountB) amountB = fitB;
            else amountA = amountB * reserveA / reserveB;
        }
        _pull(tokenA, pair, amountA);
        _pull(tokenB, pair, amountB);
        pair.mint(to);
    }

    /// Takes out `permille` thousandths of what the caller has in the pair.
    function remove(address tokenA, address tokenB, uint256 permille, address to) external {
        Pair pair = _pair(tokenA, tokenB);
        _pull(address(pair), pair, pair.balanceOf(msg.sender) * permille / 1000);
        pair.burn(to);
    }

    function _pair(address tokenA, address tokenB) private view returns (Pair pair) {
        pair = Pair(factory.getPair(tokenA, tokenB));
        require(address(pair) != address(0), "Router: no such pair");
    }

    function _reserves(Pair pair, bool forward) private view returns (uint256, uint256) {
        (uint256 reserve0, uint256 reserve1,) = pair.getReserves();
        return forward ? (reserve0, reserve1) : (reserve1, reserve0);
    }

    /// The most that the pair gives for `amount`, after its fee of 0.3 %.
    function _out(Pair pair, bool forward, uint256 amount) private view returns (uint256) {
        (uint256 reserveIn, uint256 reserveOut) = _reserves(pair, forward);
        uint256 paid = amount * 997;
        return paid * reserveOut / (reserveIn * 1000 + paid);
    }

    function _pull(address token, Pair pair, uint256 amount) private {
        require(Fungible(token).transferFrom(msg.sender, address(pair), amount), "Router: token not sent");
    }
}
