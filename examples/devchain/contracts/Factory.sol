// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IDeployer, Pair} from "./Pair.sol";

/// @title Deploys one pair for each two tokens, by CREATE2 with keccak256(token0, token1) as the salt.
contract Factory is IDeployer {
    event PairCreated(address indexed token0, address indexed token1, address pair, uint256);

    mapping(address => mapping(address => address)) public getPair;
    address[] public allPairs;

    address private next0;
    address private next1;

    function deploying() external view returns (address, address) {
        return (next0, next1);
    }

    function allPairsLength() external view returns (uint256) {
        return allPairs.length;
    }

    function createPair(address tokenA, address tokenB) external returns (address pair) {
        require(tokenA != tokenB, "Factory: the same token twice");
        (address token0, address token1) = tokenA < tokenB ? (tokenA, tokenB) : (tokenB, tokenA);
        require(token0 != address(0), "Factory: no token at the zero address");
        require(getPair[token0][token1] == address(0), "Factory: the pair exists");

        (next0, next1) = (token0, token1);
        pair = address(new Pair{salt: keccak256(abi.encodePacked(token0, token1))}());
        (next0, next1) = (address(0), address(0));

        getPair[token0][token1] = pair;
        getPair[token1][token0] = pair;
        allPairs.push(pair);
        emit PairCreated(token0, token1, pair, allPairs.length);
    }
}
