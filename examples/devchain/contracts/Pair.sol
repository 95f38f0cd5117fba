// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Fungible} from "./Fungible.sol";

/// What a pair asks the factory that deploys it. Two tokens asked for, instead of two constructor arguments,
/// keep the init code, and with it the CREATE2 hash, the same for every pair.
interface IDeployer {
    function deploying() external view returns (address token0, address token1);
}

/// @title A constant-product pair: reserve0 * reserve1 never falls by a swap.
/// Its events are those of Uniswap V2, in the same order: a swap is Transfer, Sync, Swap.
/// There are no flash swaps and no protocol fee.
contract Pair is Fungible {
    event Mint(address indexed sender, uint256 amount0, uint256 amount1);
    event Burn(address indexed sender, uint256 amount0, uint256 amount1, address indexed to);
    event Swap(
        address indexed sender,
        uint256 amount0In,
        uint256 amount1In,
        uint256 amount0Out,
        uint256 amount1Out,
        address indexed to
    );
    event Sync(uint112 reserve0, uint112 reserve1);

    /// Shares that the first provider gives up for good, so that one share can never become too dear to buy.
    uint256 public constant MINIMUM_LIQUIDITY = 1000;

    address public immutable factory;
    address public immutable token0;
    address public immutable token1;

    uint112 private reserve0;
    uint112 private reserve1;
    uint32 private changedAt;
    bool private entered;

    modifier once() {
        require(!entered, "Pair: entered twice");
        entered = true;
        _;
        entered = false;
    }

    constructor() Fungible("Devchain Liquidity", "DEV-LP", 18) {
        factory = msg.sender;
        (token0, token1) = IDeployer(msg.sender).deploying();
    }

    function getReserves() external view returns (uint112, uint112, uint32) {
        return (reserve0, reserve1, changedAt);
    }

    /// Gives shares for the tokens that have arrived since the last call.
    function mint(address to) external once returns (uint256 shares) {
        (uint256 balance0, uint256 balance1) = _balances();
        uint256 amount0 = balance0 - reserve0;
        uint256 amount1 = balance1 - reserve1;
        if (totalSupply == 0) {
            uint256 root = _root(amount0 * amount1);
            require(root > MINIMUM_LIQUIDITY, "Pair: too little to begin with");
            shares = root - MINIMUM_LIQUIDITY;
            _create(address(0), MINIMUM_LIQUIDITY);
        } else {
            uint256 by0 = amount0 * totalSupply / reserve0;
            uint256 by1 = amount1 * totalSupply / reserve1;
            shares = by0 < by1 ? by0 : by1;
            require(shares > 0, "Pair: too little for one share");
        }
        _create(to, shares);
        _settle(balance0, balance1);
        emit Mint(msg.sender, amount0, amount1);
    }

    /// Pays out the shares that have been sent to the pair itself.
    function burn(address to) external once returns (uint256 amount0, uint256 amount1) {
        (uint256 balance0, uint256 balance1) = _balances();
        uint256 shares = balanceOf[address(this)];
        amount0 = shares * balance0 / totalSupply;
        amount1 = shares * balance1 / totalSupply;
        require(amount0 > 0 && amount1 > 0, "Pair: nothing to pay out");
        _destroy(address(this), shares);
        require(Fungible(token0).transfer(to, amount0), "Pair: token0 not sent");
        require(Fungible(token1).transfer(to, amount1), "Pair: token1 not sent");
        (balance0, balance1) = _balances();
        _settle(balance0, balance1);
        emit Burn(msg.sender, amount0, amount1, to);
    }

    /// Sends out what is asked for, if what has arrived since the last call pays for it with a fee of 0.3 %.
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external once {
        require(data.length == 0, "Pair: no flash swaps");
        require(amount0Out > 0 || amount1Out > 0, "Pair: nothing asked for");
        require(amount0Out < reserve0 && amount1Out < reserve1, "Pair: more than the reserves");
        require(to != token0 && to != token1, "Pair: tokens cannot receive");
        if (amount0Out > 0) require(Fungible(token0).transfer(to, amount0Out), "Pair: token0 not sent");
        if (amount1Out > 0) require(Fungible(token1).transfer(to, amount1Out), "Pair: token1 not sent");

        (uint256 balance0, uint256 balance1) = _balances();
        uint256 amount0In = balance0 + amount0Out - reserve0;
        uint256 amount1In = balance1 + amount1Out - reserve1;
        require(amount0In > 0 || amount1In > 0, "Pair: nothing paid");
        require(
            (balance0 * 1000 - amount0In * 3) * (balance1 * 1000 - amount1In * 3)
                >= uint256(reserve0) * reserve1 * 1000 ** 2,
            "Pair: paid too little"
        );
        _settle(balance0, balance1);
        emit Swap(msg.sender, amount0In, amount1In, amount0Out, amount1Out, to);
    }

    function _balances() private view returns (uint256, uint256) {
        return (Fungible(token0).balanceOf(address(this)), Fungible(token1).balanceOf(address(this)));
    }

    function _settle(uint256 balance0, uint256 balance1) private {
        require(balance0 <= type(uint112).max && balance1 <= type(uint112).max, "Pair: reserve overflow");
        reserve0 = uint112(balance0);
        reserve1 = uint112(balance1);
        changedAt = uint32(block.timestamp);
        emit Sync(uint112(balance0), uint112(balance1));
    }

    /// The integer square root by Newton's method, from above.
    function _root(uint256 x) private pure returns (uint256 root) {
        root = x;
        uint256 next = x / 2 + x % 2;
        while (next < root) {
            root = next;
            next = (x / next + next) / 2;
        }
    }
}
